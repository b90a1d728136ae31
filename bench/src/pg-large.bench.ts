// What is large passes in bounded memory: one transaction of many rows, rows of many megabytes, and many tables.
// `--rows`, `--row-mb`, `--tables`; `--only transaction`, `rows` or `tables` for a part.
import { systemClock } from '@millrace/foundation';
import { count, option, residentMb, say, seconds, wants } from './measure.ts';
import { Pipeline } from './pipeline.ts';

const ROW_MB = option('row-mb', 16);
const MOST_BYTES = 2 * ROW_MB * 1024 * 1024;

/** A part, in a process of its own: what is asked is how much memory it takes at most. */
async function part(name: string, run: (pipeline: Pipeline) => Promise<void>): Promise<void> {
  if (!wants(name)) return;
  await using pipeline = await Pipeline.start({ 'message.max.bytes': String(MOST_BYTES) });
  await run(pipeline);
}

function memory(pipeline: Pipeline): string {
  const { now, peak } = residentMb(pipeline.pid);
  return `${count(now)} MB resident, ${count(peak)} MB at most`;
}

await part('transaction', async (pipeline) => {
  const rows = option('rows', 5_000_000);
  await pipeline.createSlot('large');
  await pipeline.insertMany(1, rows);
  const time = await seconds(async () => {
    await pipeline.startConnector('bench', 'large', 'no_data');
    await pipeline.waitForEnd(rows);
  });
  say(`\nOne transaction of ${count(rows)} rows: ${count(rows / time)} events/s, ${memory(pipeline)}`);
});

await part('rows', async (pipeline) => {
  const rows = 20;
  await pipeline.createSlot('wide');
  const text = `repeat(md5(i::text), ${ROW_MB * 32_768})`;
  for (let i = 1; i <= rows; i++) {
    await pipeline.sql(`insert into t (id, c) select i, ${text} from generate_series(${i}, ${i}) as i`);
  }
  const time = await seconds(async () => {
    await pipeline.startConnector('bench', 'wide', 'no_data', {
      'producer.override.max.request.size': String(MOST_BYTES),
    });
    await pipeline.waitForEnd(rows);
  });
  say(`\n${rows} rows of ${ROW_MB} MB: ${((rows * ROW_MB) / time).toFixed(0)} MB/s, ${memory(pipeline)}`);
});

await part('tables', async (pipeline) => {
  const tables = option('tables', 2000);
  for (let i = 1; i <= tables; i++)
    await pipeline.sql(`create table m_${i} (id int primary key, a int, b text)`);
  await pipeline.sql('create publication many for all tables');
  await pipeline.createSlot('tables');
  const change = async (key: number): Promise<void> => {
    for (let i = 1; i <= tables; i++) await pipeline.sql(`insert into m_${i} values (${key}, ${key}, 'x')`);
  };
  const last = `bench.public.m_${tables}`;
  const start = await seconds(async () => {
    await pipeline.startConnector('bench', 'tables', 'no_data', {
      'table.include.list': 'public.m_.*',
      'publication.name': 'many',
    });
    // A change of the last table says that the stream runs.
    await pipeline.sql(`insert into m_${tables} values (0, 0, 'x')`);
    await pipeline.waitForEnd(1, last);
  });
  say(
    `\n${count(tables)} tables: ${start.toFixed(1)} s from posting the connector to the first record, ${memory(pipeline)}`,
  );
  for (let round = 1; round <= 5; round++) {
    await change(round);
    await pipeline.waitForEnd(round + 1, last);
    await systemClock.sleep(3000);
    say(`  after ${round} changes of each: ${memory(pipeline)}`);
  }
});
