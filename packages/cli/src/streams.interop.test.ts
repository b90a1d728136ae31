// A Kafka Streams application with a state store under exactly_once_v2 on `millrace broker`, killed twice and with the
// broker restarted in between: every record is counted once.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, javaProgram, runMillrace, streamsClassPath } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { startBrokerProcess } from './testing/broker-process.ts';
import { readTopic } from './testing/topic-reader.ts';

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), '../clients/StreamsCounter.java');
const KEYS = 20;
const ROUNDS = 4;
const PER_ROUND = 2000;

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

test('A Streams application under exactly_once_v2 counts every record once, through kills and a restart of the broker', async (context) => {
  const program = await streamsClassPath()
    .then((classPath) => javaProgram(PROGRAM, classPath))
    .catch((error: unknown) => {
      if (process.env['CI'] === 'true') throw error;
      context.skip(`Kafka Streams cannot be had: ${String(error).slice(0, 300)}`);
      return [];
    });
  await using broker = await startBrokerProcess({ 'group.initial.rebalance.delay.ms': '0' });
  const state = path.join(broker.folder, 'streams');
  mkdirSync(state);
  for (const topic of ['words', 'counts'])
    expect(
      await runMillrace(['topics', 'create', topic, '-p', '2', '--bootstrap-server', broker.kafka]),
    ).toMatchObject({ code: 0 });
  let errors = '';
  const start = (): ChildProcess => {
    const child = spawn('java', ['-Xmx256m', ...program, broker.kafka, state], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4000);
    });
    return child;
  };
  const counted = async (): Promise<number> => (await readTopic(broker.kafka, 'counts')).length;
  let app = start();
  try {
    let written = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const lines = Array.from({ length: PER_ROUND }, (_, i) => `k${i % KEYS}\tword ${i}\n`);
      const sent = await runMillrace(['produce', 'words', '-K', '\t', '--bootstrap-server', broker.kafka], {
        input: lines.join(''),
      });
      expect(sent, sent.stderr).toMatchObject({ code: 0 });
      const before = written;
      written += PER_ROUND;
      // In the middle of the work of a round, wherever that is.
      await eventually(`round ${round} is under way`, async () => (await counted()) > before, 90_000);
      if (round === 0 || round === 2) {
        await end(app, 'SIGKILL');
        app = start();
      } else if (round === 1) await broker.restart();
    }
    await eventually(
      `all ${written} are counted; ${errors}`,
      async () => (await counted()) >= written,
      120_000,
    );
  } finally {
    await end(app, 'SIGTERM');
  }
  const counts = new Map<string, number[]>();
  for (const { key, value } of await readTopic(broker.kafka, 'counts')) {
    const name = key?.toString() ?? '';
    counts.set(name, [...(counts.get(name) ?? []), Number(value?.toString())]);
  }
  expect(counts.size).toBe(KEYS);
  const perKey = (ROUNDS * PER_ROUND) / KEYS;
  // One, two, three and so on for each key: none is missing, and none comes twice.
  for (const [key, seen] of counts)
    expect(seen, key).toEqual(Array.from({ length: perKey }, (_, i) => i + 1));
}, 600_000);
