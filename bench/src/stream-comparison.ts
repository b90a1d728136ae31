// Postgres changes into the durable log of the bundled broker, against pg_recvlogical draining a copy of the same slot
// to nowhere.
import { count, cpuSeconds, median, residentMb, say, seconds, warmMemory } from './measure.ts';
import type { Pipeline } from './pipeline.ts';

export interface StreamComparison {
  readonly title: string;
  readonly rows: number;
  readonly rounds: number;
  /** Inserts the rows with the keys `first` to `last`. */
  readonly insert: (first: number, last: number) => Promise<void>;
}

/** Takes a pipeline whose table is empty. */
export async function compareStream(
  pipeline: Pipeline,
  { title, rows, rounds, insert }: StreamComparison,
): Promise<void> {
  await pipeline.createSlot('origin');
  await insert(1, rows);
  const baseline: number[] = [];
  const again: number[] = [];
  const ours: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // A B A in turn, so that a drift of the machine hits all; the two A give the noise floor.
    baseline.push(await drain(pipeline, `base_${round}`));
    await warmMemory();
    const before = await pipeline.end();
    await pipeline.copySlot('origin', `ours_${round}`);
    const cpuBefore = cpuSeconds(pipeline.pid);
    ours.push(
      await seconds(async () => {
        await pipeline.startConnector(`bench-${round}`, `ours_${round}`, 'no_data');
        await pipeline.waitForEnd(before + rows);
      }),
    );
    cpu.push(cpuSeconds(pipeline.pid) - cpuBefore);
    await pipeline.deleteConnector(`bench-${round}`);
    await pipeline.dropSlot(`ours_${round}`);
    again.push(await drain(pipeline, `again_${round}`));
  }
  await pipeline.dropSlot('origin');
  const floor = median(baseline.map((time, i) => time / (again[i] ?? time)));
  say(`\n${title}: ${count(rows)} rows, median of ${rounds}`);
  say(`  pg_recvlogical to nowhere    ${count(rows / median([...baseline, ...again]))} rows/s`);
  say(
    `  Millrace, durable in the log ${count(rows / median(ours))} rows/s (from posting the connector to the last durable record)`,
  );
  say(
    `  ratio                        ${(median(baseline.map((time, i) => Math.min(time, again[i] ?? time) / (ours[i] ?? time)))).toFixed(2)} x`,
  );
  const each = ours.map((time, i) => [baseline[i], time, again[i]].map((it) => it?.toFixed(1)).join('/'));
  say(`  seconds of A/ours/A          ${each.join(', ')}`);
  say(`  A/A noise floor              ${floor.toFixed(2)} x`);
  say(`  CPU of all our threads       ${((median(cpu) / rows) * 1e6).toFixed(2)} us per event`);
  say(`  resident, most               ${count(residentMb(pipeline.pid).peak)} MB`);
}

async function drain(pipeline: Pipeline, slot: string): Promise<number> {
  await warmMemory();
  await pipeline.copySlot('origin', slot);
  const time = await seconds(() => pipeline.receive(slot));
  await pipeline.dropSlot(slot);
  return time;
}
