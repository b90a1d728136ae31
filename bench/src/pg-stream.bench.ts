// One large transaction of Postgres into the durable log of the bundled broker. `--rows`, `--rounds`.
import { option } from './measure.ts';
import { Pipeline } from './pipeline.ts';
import { compareStream } from './stream-comparison.ts';

await using pipeline = await Pipeline.start();
await compareStream(pipeline, {
  title: 'One large transaction',
  rows: option('rows', 1_000_000),
  rounds: option('rounds', 3),
  insert: (first, last) => pipeline.insertMany(first, last),
});
