// What exactly-once costs: a file of lines into a topic of the bundled broker, at least once, in one transaction per poll
// of 2000 lines, as the connector polls by itself, in one per poll of 300, and in transactions of a second. `--lines`,
// `--rounds`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, listOffsets } from '@millrace/kafka-client';
import { type MillraceProcess, startMillrace } from '@millrace/testkit/millrace-process';
import { count, cpuSeconds, median, option, say, seconds } from './measure.ts';

const lines = option('lines', 300_000);
const rounds = option('rounds', 3);

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-'));
const file = path.join(folder, 'lines');
const rest = 'x'.repeat(190);
writeFileSync(
  file,
  Array.from({ length: lines }, (_, i) => `${String(i).padStart(9, '0')} ${rest}\n`).join(''),
);

interface Way {
  readonly title: string;
  readonly millrace: MillraceProcess;
  readonly config: Readonly<Record<string, string>>;
  /** Lines of a transaction, where that is a number. */
  readonly size: number | undefined;
  readonly times: number[];
  readonly cpu: number[];
}

await using plain = await startMillrace();
await using exact = await startMillrace({ properties: { 'exactly.once.source.support': 'enabled' } });
const way = (title: string, millrace: MillraceProcess, config: Way['config'] = {}, size?: number): Way => ({
  title,
  millrace,
  config,
  size,
  times: [],
  cpu: [],
});
const ways = [
  way('at least once', plain),
  way('exactly once, by poll', exact, {}, 2000),
  way('exactly once, by 300', exact, { 'batch.size': '300' }, 300),
  way('exactly once, by second', exact, {
    'transaction.boundary': 'interval',
    'transaction.boundary.interval.ms': '1000',
  }),
  way('at least once again', plain),
];

/** Seconds from posting the connector until all lines can be read as committed. */
async function run({ millrace, config, cpu }: Way, topic: string): Promise<number> {
  await using cluster = new Cluster({
    bootstrapServers: millrace.kafka,
    clientId: 'bench',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: 200,
  });
  const text = 'org.apache.kafka.connect.storage.StringConverter';
  const before = cpuSeconds(millrace.pid ?? 0);
  const time = await seconds(async () => {
    await millrace.request('PUT', `/connectors/${topic}/config`, {
      'connector.class': 'FileStreamSource',
      'key.converter': text,
      'value.converter': text,
      file,
      topic,
      ...config,
    });
    const end = async (): Promise<number> => {
      const found = await listOffsets(cluster, [{ topic, partition: 0 }], 'latest', {
        isolation: 'read_committed',
      }).catch(() => []);
      return found[0]?.offset ?? 0;
    };
    while ((await end()) < lines) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  cpu.push(cpuSeconds(millrace.pid ?? 0) - before);
  await millrace.request('DELETE', `/connectors/${topic}`);
  return time;
}

try {
  // The first run of a process pays for its warming up.
  for (const each of ways.slice(0, -1)) await run({ ...each, cpu: [] }, `warm-${ways.indexOf(each)}`);
  for (let round = 0; round < rounds; round++) {
    for (const [i, each] of ways.entries()) each.times.push(await run(each, `lines-${round}-${i}`));
  }
  const plainWays = ways.filter(({ millrace }) => millrace === plain);
  const floor = median(plainWays.flatMap(({ times }) => times));
  const floorCpu = median(plainWays.flatMap(({ cpu }) => cpu));
  say(`${count(lines)} lines of 200 bytes, median of ${rounds}`);
  for (const { title, size, times, cpu } of ways) {
    const time = median(times);
    const perTransaction = (more: number): string => (((more * 1000) / lines) * (size ?? 0)).toFixed(1);
    const cost =
      size === undefined
        ? ''
        : `  ${perTransaction(time - floor)} ms and ${perTransaction(median(cpu) - floorCpu)} ms CPU more a transaction`;
    say(
      `  ${title.padEnd(24)} ${count(lines / time).padStart(9)} records/s  ${(floor / time).toFixed(2)} x  ${((median(cpu) / lines) * 1e6).toFixed(2)} us CPU each, broker included${cost}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
