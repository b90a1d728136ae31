// The initial snapshot into the durable log, against COPY of the same table to nowhere. `--rows`, `--rounds`.
import { count, cpuSeconds, median, option, residentMb, say, seconds, warmMemory } from './measure.ts';
import { Pipeline } from './pipeline.ts';

const rows = option('rows', 1_000_000);
const rounds = option('rounds', 3);

await using pipeline = await Pipeline.start();
await pipeline.insertMany(1, rows);
await pipeline.sql('vacuum analyze t');
const copies: number[] = [];
const ours: number[] = [];
const cpu: number[] = [];
for (let round = 0; round < rounds; round++) {
  copies.push(await seconds(() => pipeline.copyOut()));
  await warmMemory();
  const before = await pipeline.end();
  const cpuBefore = cpuSeconds(pipeline.pid);
  ours.push(
    await seconds(async () => {
      await pipeline.startConnector(`bench-${round}`, `snap_${round}`, 'initial');
      await pipeline.waitForEnd(before + rows);
    }),
  );
  cpu.push(cpuSeconds(pipeline.pid) - cpuBefore);
  await pipeline.deleteConnector(`bench-${round}`);
  await pipeline.dropSlot(`snap_${round}`);
  copies.push(await seconds(() => pipeline.copyOut()));
}
say(`\nInitial snapshot: ${count(rows)} rows, median of ${rounds}`);
say(`  COPY to nowhere              ${count(rows / median(copies))} rows/s`);
say(`  Millrace, durable in the log ${count(rows / median(ours))} rows/s`);
say(`  ratio                        ${(median(copies) / median(ours)).toFixed(2)} x`);
say(
  `  A/A noise floor              ${median(copies.filter((_, i) => i % 2 === 0).map((time, i) => time / (copies[2 * i + 1] ?? time))).toFixed(2)} x`,
);
say(`  CPU of all our threads       ${((median(cpu) / rows) * 1e6).toFixed(2)} us per row`);
say(`  resident, most               ${count(residentMb(pipeline.pid).peak)} MB`);
