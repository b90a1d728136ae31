// Kafka clients that others wrote, each reading what all of them wrote, against `millrace broker`. The programs are in
// ../clients; each client installs itself. One that cannot be had here is skipped by name, in CI it fails.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { goProgram, javaProgram, kafkaClassPath, npmFolder, pythonWith, runCommand } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';

const PROGRAMS = path.join(path.dirname(fileURLToPath(import.meta.url)), '../clients');
const program = (file: string): string => path.join(PROGRAMS, file);
const ALL_CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
/** What these read without a library beside them. */
const COMMON_CODECS = ['none', 'gzip'] as const;
const RECORDS = 100;

interface Client {
  readonly name: string;
  readonly codecs: readonly (typeof ALL_CODECS)[number][];
  /** Installs it; resolves with the command and its first arguments. */
  readonly prepare: () => Promise<readonly string[]>;
}

const CLIENTS: readonly Client[] = [
  {
    name: 'Java 4.3.1',
    codecs: ALL_CODECS,
    prepare: async () => {
      const compiled = await javaProgram(program('JavaClient.java'), await kafkaClassPath());
      return ['java', '-Xmx256m', '-XX:TieredStopAtLevel=1', ...compiled];
    },
  },
  {
    name: 'confluent-kafka 2.16.1 (librdkafka)',
    codecs: ALL_CODECS,
    prepare: async () => [await pythonWith(['confluent-kafka==2.16.1']), program('confluent.py')],
  },
  {
    name: 'kafka-python 3.0.12',
    codecs: ALL_CODECS,
    prepare: async () => [
      await pythonWith(['kafka-python==3.0.12', 'lz4', 'zstandard', 'python-snappy']),
      program('kafka_python.py'),
    ],
  },
  {
    name: 'franz-go 1.22.3',
    codecs: ALL_CODECS,
    prepare: async () => [await goProgram(program('go'))],
  },
  {
    name: '@platformatic/kafka 1.35.0',
    codecs: COMMON_CODECS,
    prepare: async () => {
      const folder = await npmFolder(['@platformatic/kafka@1.35.0']);
      return ['env', `CLIENT_FOLDER=${folder}`, process.execPath, program('platformatic.mjs')];
    },
  },
  {
    name: 'kafkajs 2.2.4',
    codecs: COMMON_CODECS,
    prepare: async () => [process.execPath, program('kafkajs.mjs')],
  },
];

let broker: BrokerProcess;
const commands = new Map<string, readonly string[]>();
const missing = new Map<string, string>();
beforeAll(async () => {
  broker = await startBrokerProcess({ 'group.initial.rebalance.delay.ms': '0' });
  for (const { name, prepare } of CLIENTS) {
    try {
      commands.set(name, await prepare());
    } catch (error) {
      missing.set(name, String(error).slice(0, 300));
    }
  }
}, 600_000);
afterAll(() => broker[Symbol.asyncDispose]());

async function use(name: string, args: readonly string[], input: string = ''): Promise<string[]> {
  const [command = '', ...first] = commands.get(name) ?? [];
  const result = await runCommand(command, [...first, broker.kafka, ...args], { input, timeoutMs: 90_000 });
  expect(result.code, `${name} ${args.join(' ')}: ${result.stderr}`).toBe(0);
  return result.stdout.split('\n').slice(0, -1);
}

/** A test that is skipped, and counted, when its client could not be installed. */
function clientTest(name: string, title: string, body: () => Promise<void>): void {
  test(title, async (context) => {
    const why = missing.get(name);
    if (why !== undefined && process.env['CI'] === 'true') throw new Error(`${name} cannot be had: ${why}`);
    if (why !== undefined) context.skip(`${name} cannot be had: ${why}`);
    await body();
  });
}

/** What was written so far, by topic, in order. */
const written = { common: [] as string[], others: [] as string[] };

describe('What any of them writes, all of them read', () => {
  for (const { name, codecs } of CLIENTS)
    clientTest(name, `${name} writes with ${codecs.join(', ')}`, async () => {
      for (const codec of codecs) {
        const topic = (COMMON_CODECS as readonly string[]).includes(codec) ? 'common' : 'others';
        const lines = Array.from(
          { length: RECORDS },
          (_, i) => `${name} ${codec}\tvalue ${i} ${'ä€'.repeat(i % 40)}`,
        );
        await use(name, ['produce', topic, codec], `${lines.join('\n')}\n`);
        written[topic].push(...lines);
      }
    });
  for (const { name, codecs } of CLIENTS)
    clientTest(name, `${name} reads it in a group that goes on where it stopped`, async () => {
      const { common, others } = written;
      expect(common.length).toBeGreaterThan(RECORDS);
      const group = `group-of-${name.replaceAll(/\W/g, '-')}`;
      expect(await use(name, ['consume', 'common', group, '30'])).toEqual(common.slice(0, 30));
      expect(await use(name, ['consume', 'common', group, String(common.length - 30)])).toEqual(
        common.slice(30),
      );
      if (codecs.length > COMMON_CODECS.length)
        expect(await use(name, ['consume', 'others', group, String(others.length)])).toEqual(others);
    });
});

describe('Topics are administered', () => {
  for (const { name } of CLIENTS)
    clientTest(name, `by ${name}`, async () => {
      expect(await use(name, ['admin', `made-by-${name.replaceAll(/\W/g, '-')}`])).toEqual([
        'compact',
        '5',
        'false',
      ]);
    });
});

const kcat = spawnSync('kcat', ['-V']).error === undefined || process.env['CI'] === 'true' ? test : test.skip;
kcat('kcat (librdkafka) reads and writes every codec', async () => {
  for (const codec of ALL_CODECS) {
    const lines = Array.from({ length: RECORDS }, (_, i) => `k${i}\tvalue ${codec} ${i}`);
    const base = ['-b', broker.kafka, '-t', `kcat-${codec}`];
    const sent = await runCommand(
      'kcat',
      [...base, '-P', '-K', '\t', '-z', codec, '-X', 'enable.idempotence=true'],
      {
        input: `${lines.join('\n')}\n`,
      },
    );
    expect(sent, sent.stderr).toMatchObject({ code: 0 });
    const read = await runCommand('kcat', [...base, '-C', '-q', '-e', '-o', 'beginning', '-f', '%k\t%s\n']);
    expect(read.stdout.split('\n').slice(0, -1)).toEqual(lines);
  }
});
