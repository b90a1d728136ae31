// Single-row transactions of Postgres into the durable log of the bundled broker. `--rows`, `--rounds`.
import { option } from './measure.ts';
import { Pipeline } from './pipeline.ts';
import { compareStream } from './stream-comparison.ts';

await using pipeline = await Pipeline.start();
await compareStream(pipeline, {
  title: 'Single-row transactions',
  rows: option('rows', 200_000),
  rounds: option('rounds', 3),
  insert: (first, last) => pipeline.insertEach(first, last),
});
