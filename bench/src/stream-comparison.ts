// Postgres changes into the durable log of the bundled broker, against pg_recvlogical draining a copy of the same slot
// to nowhere: one large transaction, and single-row transactions. `--rows`, `--small`, `--rounds`.
import { count, cpuSeconds, median, option, residentMb, say, seconds, warmMemory } from './measure.ts';
import { Pipeline } from './pipeline.ts';

const rows = option('rows', 1_000_000);
const small = option('small', 200_000);
const rounds = option('rounds', 3);

await using pipeline = await Pipeline.start();
let next = 1;

async function compare(
  title: string,
  size: number,
  insert: (first: number, last: number) => Promise<void>,
): Promise<void> {
  await pipeline.createSlot('origin');
  await insert(next, next + size - 1);
  next += size;
  const baseline: number[] = [];
  const again: number[] = [];
  const ours: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // A B A in turn, so that a drift of the machine hits all; the two A give the noise floor.
    baseline.push(await drain(`base_${round}`));
    await warmMemory();
    const before = await pipeline.end();
    await pipeline.copySlot('origin', `ours_${round}`);
    const cpuBefore = cpuSeconds(pipeline.pid);
    ours.push(
      await seconds(async () => {
        await pipeline.startConnector(`bench-${round}`, `ours_${round}`, 'no_data');
        await pipeline.waitForEnd(before + size);
      }),
    );
    cpu.push(cpuSeconds(pipeline.pid) - cpuBefore);
    await pipeline.deleteConnector(`bench-${round}`);
    await pipeline.dropSlot(`ours_${round}`);
    again.push(await drain(`again_${round}`));
  }
  await pipeline.dropSlot('origin');
  const floor = median(baseline.map((time, i) => time / (again[i] ?? time)));
  say(`\n${title}: ${count(size)} rows, median of ${rounds}`);
  say(`  pg_recvlogical to nowhere    ${count(size / median([...baseline, ...again]))} rows/s`);
  say(
    `  Millrace, durable in the log ${count(size / median(ours))} rows/s (from posting the connector to the last durable record)`,
  );
  say(
    `  ratio                        ${(median(baseline.map((time, i) => Math.min(time, again[i] ?? time) / (ours[i] ?? time)))).toFixed(2)} x`,
  );
  const each = ours.map((time, i) => [baseline[i], time, again[i]].map((it) => it?.toFixed(1)).join('/'));
  say(`  seconds of A/ours/A          ${each.join(', ')}`);
  say(`  A/A noise floor              ${floor.toFixed(2)} x`);
  say(`  CPU of all our threads       ${((median(cpu) / size) * 1e6).toFixed(2)} us per event`);
  say(`  resident, most               ${count(residentMb(pipeline.pid).peak)} MB`);
}

async function drain(slot: string): Promise<number> {
  await warmMemory();
  await pipeline.copySlot('origin', slot);
  const time = await seconds(() => pipeline.receive(slot));
  await pipeline.dropSlot(slot);
  return time;
}

await compare('One large transaction', rows, (first, last) => pipeline.insertMany(first, last));
await compare('Single-row transactions', small, (first, last) => pipeline.insertEach(first, last));
