// The same scripts of random changes and table changes through real Debezium on real Kafka and through Millrace, and the
// two sets of topics compared event by event. MILLRACE_TEST_SEED repeats a run, MILLRACE_DIFFERENTIAL_EVENTS says how
// long it is, MILLRACE_DIFFERENTIAL_ONLY names a config (`npm run test:differential`). Needs Java 17 and Maven: a named
// skip elsewhere.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  connectWithDebezium,
  type MillraceProcess,
  RealConnect,
  RealKafka,
  startMillrace,
  testRandom,
} from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONFIGS } from './testing/differential/configs.ts';
import { differentialRun, type RunResult } from './testing/differential/differential-run.ts';

const events = Number(process.env['MILLRACE_DIFFERENTIAL_EVENTS'] ?? 5000);
const only = process.env['MILLRACE_DIFFERENTIAL_ONLY'];
const report = process.env['MILLRACE_DIFFERENTIAL_REPORT'];
const names = Object.keys(CONFIGS).filter((name) => only === undefined || only === name);
const seed = testRandom('differential').seed;

let folder: string;
let kafka: RealKafka;
let connect: RealConnect;
let millrace: MillraceProcess;
let cannot: string | undefined;
const results = new Map<string, RunResult>();

beforeAll(async () => {
  try {
    await connectWithDebezium();
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    cannot = `Connect cannot be had: ${String(error).slice(0, 300)}`;
    return;
  }
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-differential-'));
  const partitions = { 'num.partitions': '3' };
  kafka = await RealKafka.start(path.join(folder, 'kafka'), partitions);
  connect = await RealConnect.start(path.join(folder, 'connect'), `127.0.0.1:${kafka.port}`);
  millrace = await startMillrace({ brokerProperties: () => partitions });
}, 300_000);

afterAll(async () => {
  let compared = 0;
  const lines = [...results].map(([name, result]) => summary(name, result));
  for (const result of results.values()) compared += result.compared;
  const different = [...results.values()].flatMap(({ differences }) => differences);
  const total = different.reduce((sum, { count }) => sum + count, 0);
  const closing = `differential: seed ${seed}, ${compared} events compared, ${total} differences`;
  process.stderr.write(`${closing}\n`);
  if (report !== undefined) writeFileSync(report, `${[...lines, closing].join('\n')}\n`);
  await millrace?.[Symbol.asyncDispose]();
  await connect?.[Symbol.asyncDispose]();
  await kafka?.[Symbol.asyncDispose]();
  if (folder) rmSync(folder, { recursive: true, force: true });
}, 120_000);

function summary(
  name: string,
  { compared, differences, onPurpose, transactions, refused }: RunResult,
): string {
  const lines = [
    `${name}: ${compared} events of ${transactions} transactions compared, ${differences.length} kinds of differences` +
      ` (the server refused ${refused.length} transactions)`,
    ...[...onPurpose].map(([reason, count]) => `  on purpose ${count}: ${reason}`),
    ...differences.map(({ kind, count, example }) => `  ${count} x ${kind}\n      ${example}`),
    ...refused.slice(0, 3).map((text) => `  refused: ${text.slice(0, 600)}`),
  ];
  return lines.join('\n');
}

for (const name of names) {
  test(`Millrace writes what Debezium writes: ${name}`, async (context) => {
    if (cannot !== undefined) return context.skip(cannot);
    const result = await differentialRun({
      name: `diff-${name}`,
      config: CONFIGS[name] ?? {},
      workers: {
        debezium: {
          kafka: `127.0.0.1:${kafka.port}`,
          request: (method, at, body) => connect.request(method, at, body),
          get logs() {
            return connect.log;
          },
        },
        millrace,
      },
      // The same for a config alone as among all.
      seed: seed + Object.keys(CONFIGS).indexOf(name),
      events: Math.ceil(events / names.length),
      log: report === undefined ? undefined : (line) => appendFileSync(`${report}.${name}.sql`, line),
    });
    results.set(name, result);
    process.stderr.write(`${summary(name, result)}\n`);
    expect(result.differences.map(({ kind, count, example }) => `${count} x ${kind}\n${example}`)).toEqual(
      [],
    );
    // Most of what is tried has to work.
    expect(result.refused.length).toBeLessThan(result.transactions * 0.2);
  }, 3_600_000);
}
