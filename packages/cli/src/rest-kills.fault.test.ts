// A worker and its broker are killed while connectors are made, changed, paused, stopped, restarted and deleted: what
// was answered holds afterwards (INV-12), what was not is as before or as asked, and no line is lost (INV-3).
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  eventually,
  type MillraceProcess,
  type RestAnswer,
  type SeededRandom,
  startMillrace,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { moment } from './testing/moments.ts';
import { fileSource, replays, untilLine } from './testing/numbered-lines.ts';
import { readTopic } from './testing/topic-reader.ts';

type Target = 'STARTED' | 'PAUSED' | 'STOPPED';

/** What a connector shall be; null = it is not there. */
type Wanted = { readonly target: Target; readonly version: number } | null;

const ROUNDS = testRounds(5, 60);
const CONNECTORS = 5;
/** What `status` shows. */
const SHOWN: Readonly<Record<Target, string>> = { STARTED: 'RUNNING', PAUSED: 'PAUSED', STOPPED: 'STOPPED' };

/** One connector with the file it follows, and what it may be by what was asked and answered. */
class Subject {
  readonly name: string;
  readonly #file: string;
  readonly #millrace: MillraceProcess;
  readonly #random: SeededRandom;
  /** More than one while an answer is missing. */
  possible: Wanted[] = [null];
  lines = 0;
  /** What was asked and answered last. */
  #asked: string[] = [];
  #version = 0;

  constructor(name: string, folder: string, millrace: MillraceProcess, random: SeededRandom) {
    this.name = name;
    this.#file = path.join(folder, name);
    this.#millrace = millrace;
    this.#random = random;
    writeFileSync(this.#file, '');
  }

  get current(): Wanted {
    return this.possible[0] ?? null;
  }

  grow(): void {
    appendFileSync(this.#file, Array.from({ length: 5 }, () => `${this.lines++}\n`).join(''));
  }

  config(version: number): Record<string, string> {
    return { ...fileSource(this.#file, this.name), version: String(version) };
  }

  /** Asks for something that can be asked now; the end of the worker leaves it open whether it came about. */
  async act(): Promise<void> {
    const now = this.current;
    if (now === null) {
      const made = { target: 'STARTED', version: ++this.#version } as const;
      await this.#ask('PUT', 'config', made, this.config(made.version));
      return;
    }
    const version = ++this.#version;
    const change = this.#random.pick(['config', 'pause', 'resume', 'stop', 'restart', 'delete']);
    if (change === 'config') await this.#ask('PUT', 'config', { ...now, version }, this.config(version));
    else if (change === 'pause') await this.#ask('PUT', 'pause', { ...now, target: 'PAUSED' });
    else if (change === 'resume') await this.#ask('PUT', 'resume', { ...now, target: 'STARTED' });
    else if (change === 'stop') await this.#ask('PUT', 'stop', { ...now, target: 'STOPPED' });
    else if (change === 'restart') await this.#ask('POST', 'restart?includeTasks=true', now);
    else await this.#ask('DELETE', '', null);
  }

  async #ask(method: string, what: string, wanted: Wanted, body?: object): Promise<void> {
    const before = this.possible;
    this.possible = [...before, wanted];
    const at = `/connectors/${this.name}${what === '' ? '' : `/${what}`}`;
    this.#asked = [...this.#asked.slice(-9), `${method} ${what}: no answer`];
    let answer: RestAnswer;
    try {
      answer = await this.#millrace.request(method, at, body);
    } catch {
      return; // killed meanwhile
    }
    this.#asked.splice(-1, 1, `${method} ${what}: ${answer.status} ${JSON.stringify(answer.body)}`);
    // A restart may come too early for a status.
    this.possible = answer.status < 300 ? [wanted] : before;
    if (answer.status >= 500) throw new Error(`${method} ${at}: ${JSON.stringify(answer.body)}`);
  }

  /** What is stored is one of what may be; that counts from now on, and the worker comes to show it. */
  async settle(configs: ReadonlyMap<string, Stored>): Promise<void> {
    const stored = this.#stored(configs);
    const fits = this.possible.find((wanted) => JSON.stringify(wanted) === JSON.stringify(stored));
    if (fits === undefined) {
      const asked = this.#asked.join('\n');
      throw new Error(
        `${this.name} is ${JSON.stringify(stored)}, not of ${JSON.stringify(this.possible)}; asked:\n${asked}`,
      );
    }
    this.#asked.push(`killed and found as ${JSON.stringify(fits)}`);
    this.possible = [fits];
    await eventually(`${this.name} is ${JSON.stringify(fits)}`, async () => {
      const config = await this.#millrace.request('GET', `/connectors/${this.name}/config`);
      if (fits === null) return config.status === 404;
      const { status, body } = await this.#millrace.request('GET', `/connectors/${this.name}/status`);
      const state = (body as { connector?: { state: string } }).connector?.state;
      const { version } = config.body as { version: string };
      if (state === SHOWN[fits.target] && version === String(fits.version)) return true;
      throw new Error(`${status}: ${JSON.stringify(body)}, version ${version}`);
    });
  }

  #stored(configs: ReadonlyMap<string, Stored>): Wanted {
    const properties = configs.get(`connector-${this.name}`)?.properties;
    if (properties === undefined) return null;
    const state = configs.get(`target-state-${this.name}`)?.['state.v2'];
    return { target: state ?? 'STARTED', version: Number(properties['version']) };
  }
}

/** What the config topic holds for a key. */
interface Stored {
  readonly properties?: Readonly<Record<string, string>>;
  readonly 'state.v2'?: Target;
}

async function storedConfigs(kafka: string): Promise<Map<string, Stored>> {
  const found = new Map<string, Stored>();
  for (const { key, value } of await readTopic(kafka, 'connect-configs')) {
    if (value === null) found.delete(String(key));
    else found.set(String(key), JSON.parse(String(value)) as Stored);
  }
  return found;
}

test(`INV-1 INV-3 INV-12: ${ROUNDS} kills while connectors are changed by REST`, {
  timeout: 60_000 + ROUNDS * 15_000,
}, async () => {
  const random = testRandom('kills while REST changes connectors');
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-rest-kills-'));
  await using millrace = await startMillrace({ properties: { 'offset.flush.interval.ms': '100' } });
  const subjects = Array.from(
    { length: CONNECTORS },
    (_, i) => new Subject(`c${i}`, folder, millrace, random),
  );
  let kills = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      let ended = false;
      const acting = subjects.map(async (subject) => {
        while (!ended) {
          subject.grow();
          await subject.act();
        }
      });
      await moment(random, 50, 1500);
      ended = true;
      await millrace.end('SIGKILL');
      kills++;
      await Promise.all(acting);
      await millrace.start();
      const configs = await storedConfigs(millrace.kafka);
      for (const subject of subjects) await subject.settle(configs);
    }
    // Everything that was written to the files arrives in the end.
    for (const subject of subjects) {
      if (subject.current === null) await subject.act();
      expect((await millrace.request('PUT', `/connectors/${subject.name}/resume`)).status).toBe(202);
      subject.grow();
    }
    for (const { name, lines } of subjects) {
      await untilLine(millrace.kafka, name, lines);
      await replays(millrace.kafka, name);
    }
    process.stderr.write(`${kills} kills survived\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('INV-6 INV-10: garbage in the topics of a worker is passed by', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-garbage-'));
  await using millrace = await startMillrace({ properties: { 'offset.flush.interval.ms': '100' } });
  const random = testRandom('garbage in the topics of a worker');
  try {
    const file = path.join(folder, 'lines');
    writeFileSync(file, '0\n1\n2\n');
    await millrace.request('PUT', '/connectors/good/config', fileSource(file, 'good'));
    await untilLine(millrace.kafka, 'good', 3);
    const kafka = new Kafka({ brokers: [millrace.kafka], logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    const keys = [
      'connector-bad',
      'task-bad-0',
      'task-good-x',
      'task-good--1',
      'task-good-99999999999',
      'commit-bad',
      'commit-good',
      'target-state-good',
      'target-state-',
      'session-key',
      'tasks-fencing-good',
      'restart-connector-good',
      'logger-cluster-x',
      'status-connector-good',
      'status-task-good-0',
      'status-topic-x:connector-good',
      '["good",{"filename":"x"}]',
      '[',
      '["good"]',
    ];
    const values = [
      '',
      '{',
      '[]',
      'null',
      '"text"',
      '{"properties":null}',
      '{"tasks":-1}',
      '{"tasks":1e99}',
      '{"state":7}',
    ];
    for (const topic of ['connect-configs', 'connect-offsets', 'connect-status']) {
      const messages = [
        ...keys.flatMap((key) => values.map((value) => ({ key, value: Buffer.from(value), partition: 0 }))),
        ...Array.from({ length: 200 }, () => ({
          key: random.bytes(random.int(0, 40)),
          value: random.bytes(random.int(0, 200)),
          partition: 0,
        })),
      ];
      await producer.send({ topic, messages });
    }
    await producer.disconnect();
    await millrace.crash();
    appendFileSync(file, '3\n4\n');
    await eventually(
      'the API answers',
      async () => (await millrace.request('GET', '/connectors')).status === 200,
    );
    const names = (await millrace.request('GET', '/connectors')).body as string[];
    expect(names).toContain('good');
    for (const name of names) await millrace.request('GET', `/connectors/${name}/status`);
    const put = await millrace.request('PUT', '/connectors/good/config', {
      ...fileSource(file, 'good'),
      touched: '1',
    });
    expect(put.status, JSON.stringify(put.body)).toBe(200);
    expect((await millrace.request('PUT', '/connectors/good/resume')).status).toBe(202);
    await untilLine(millrace.kafka, 'good', 5);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);

test('INV-3: fifty connectors go on after their broker was killed', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-fifty-'));
  await using millrace = await startMillrace({ properties: { 'offset.flush.interval.ms': '200' } });
  try {
    const names = Array.from({ length: 50 }, (_, i) => `f${i}`);
    for (const name of names) {
      writeFileSync(path.join(folder, name), '0\n');
      const { status } = await millrace.request(
        'PUT',
        `/connectors/${name}/config`,
        fileSource(path.join(folder, name), name),
      );
      expect(status).toBe(201);
    }
    for (const name of names) await untilLine(millrace.kafka, name, 1);
    for (const name of names) appendFileSync(path.join(folder, name), '1\n2\n');
    await millrace.crash();
    for (const name of names) {
      await untilLine(millrace.kafka, name, 3);
      expect((await replays(millrace.kafka, name)).count).toBeLessThanOrEqual(1);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
