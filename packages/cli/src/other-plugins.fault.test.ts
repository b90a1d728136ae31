// Plug-ins of others in a running Millrace: found, listed, run in processes of their own, and what becomes of the
// rest when they do the worst.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectorStatus, putConnector, untilRunning } from './testing/connectors.ts';
import { installNumbers, type Misdeed, writePackage } from './testing/other-plugins.ts';
import { readTopic } from './testing/topic-reader.ts';

const TEXT = {
  'key.converter': 'org.apache.kafka.connect.converters.LongConverter',
  'value.converter': 'org.apache.kafka.connect.converters.LongConverter',
};
const SOURCE = 'com.acme.NumbersSourceConnector';
const FILE_SOURCE = 'org.apache.kafka.connect.file.FileStreamSourceConnector';

let project = '';
let millrace: MillraceProcess;

beforeAll(async () => {
  project = mkdtempSync(path.join(tmpdir(), 'millrace-others-'));
  installNumbers(project);
  const package_ = (name: string, index: string, manifest: object = {}): void =>
    writePackage(path.join(project, 'plugins', name), { name, ...manifest }, { 'index.js': index });
  package_('throws', "throw new Error('no license');");
  package_('exits', 'process.exit(0);');
  package_('loops', 'for (;;);');
  package_('nothing', 'export const something = 1;');
  package_('half', "export const plugin = { kind: 'source', className: 'com.acme.Half', version: '1' };");
  const smt = (className: string): string =>
    "import { ConfigDef } from '@millrace/foundation';\n" +
    `export const plugin = { kind: 'transformation', className: '${className}', version: null, configDef: new ConfigDef([]), create: () => ({ configure() {}, apply: (record) => record }) };`;
  package_('clash', smt('org.apache.kafka.connect.transforms.Filter'));
  package_('in-path', smt('com.acme.InPath'), { millrace: {} });
  writePackage(
    path.join(project, 'plugins/unmarked'),
    { name: 'unmarked' },
    { 'index.js': smt('com.acme.Unmarked') },
  );
  mkdirSync(path.join(project, 'plugins/debezium-connector-oracle'));
  writeFileSync(path.join(project, 'plugins/debezium-connector-oracle/debezium-connector-oracle.jar'), 'PK');
  const bad = ['throws', 'exits', 'loops', 'nothing', 'half', 'clash'].map((name) => `./plugins/${name}`);
  millrace = await startMillrace({
    cwd: project,
    properties: {
      plugins: ['@acme/numbers', '@acme/not-there', ...bad].join(','),
      'plugin.path': 'plugins',
      'plugin.process.heap.mb': '64',
      'plugin.process.memory.mb': '300',
    },
    readyTimeoutMs: 60_000,
  });
}, 120_000);
afterAll(async () => {
  await millrace?.[Symbol.asyncDispose]();
  rmSync(project, { recursive: true, force: true });
});

const lineWith = (text: string): string =>
  millrace.logs.split('\n').find((line) => line.includes(text)) ??
  `no line with ${text} in:\n${millrace.logs}`;

async function numbersIn(topic: string): Promise<number[]> {
  const records = await readTopic(millrace.kafka, topic);
  return records.map(({ value }) => Number(value?.readBigInt64BE()));
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function trace(name: string): Promise<string> {
  return (await connectorStatus(millrace, name)).tasks[0]?.trace ?? '';
}

async function untilFailed(name: string): Promise<string> {
  await eventually(
    `the task of ${name} fails`,
    async () => (await connectorStatus(millrace, name)).tasks[0]?.state === 'FAILED',
    60_000,
  );
  return await trace(name);
}

describe('plug-ins of others', () => {
  it('are taken from packages, folders and plugin.path, and listed with their own versions', async () => {
    const { body } = await millrace.request('GET', '/connector-plugins?connectorsOnly=false');
    const own = (body as { class: string; version: string }[]).filter((each) =>
      each.class.startsWith('com.acme'),
    );
    expect(own).toEqual([
      { class: 'com.acme.LinesSinkConnector', type: 'sink', version: '3.1.4' },
      { class: SOURCE, type: 'source', version: '3.1.4' },
      { class: 'com.acme.InPath', type: 'transformation', version: '3.1.4' },
      { class: 'com.acme.Suffix', type: 'transformation', version: '3.1.4' },
    ]);
    const config = await millrace.request('GET', '/connector-plugins/com.acme.Suffix/config');
    expect(config.body).toMatchObject([
      { name: 'suffix', required: true, documentation: 'What is put behind each value.' },
    ]);
  });

  it('are left out with one line that says why and what to do, and everything else starts', () => {
    for (const [name, why] of [
      ['./plugins/throws', 'no license'],
      ['./plugins/exits', 'it ended itself (exit code 0)'],
      ['./plugins/loops', 'as if in an endless loop'],
      ['./plugins/nothing', 'it exports neither `plugin` nor `plugins`'],
      ['./plugins/half', 'com.acme.Half has no configDef'],
      ['./plugins/clash', 'Millrace has a transformation org.apache.kafka.connect.transforms.Filter already'],
      ['@acme/not-there', 'there is no such package'],
    ]) {
      const line = lineWith(`The plug-ins of ${name} were not loaded: `);
      expect(line).toContain(why);
      expect(line).toMatch(/"level":50/);
      expect(line).toMatch(/start the worker again|className of your own|npm install/);
    }
    expect(lineWith('plugin.path holds')).toContain('debezium-connector-oracle');
  });

  it('have their configs checked by their own validators', async () => {
    const validate = async (config: Record<string, string>): Promise<string[]> => {
      const { body } = await millrace.request('PUT', `/connector-plugins/${SOURCE}/config/validate`, {
        'connector.class': SOURCE,
        name: 'n',
        ...config,
      });
      return (body as { configs: { value: { errors: string[] } }[] }).configs.flatMap(
        ({ value }) => value.errors,
      );
    };
    expect(await validate({ 'numbers.topic': 'x' })).toEqual([]);
    expect(await validate({})).toEqual([
      'Missing required configuration "numbers.topic" which has no default value.',
    ]);
    expect(await validate({ 'numbers.topic': 'x', 'numbers.until': '0' })).toEqual([
      'Invalid value 0 for configuration numbers.until: Value must be at least 1',
    ]);
    const smt = { transforms: 's', 'transforms.s.type': 'com.acme.Suffix' };
    expect(await validate({ 'numbers.topic': 'x', ...smt, 'transforms.s.suffix': '!' })).toEqual([]);
    expect(await validate({ 'numbers.topic': 'x', ...smt, 'transforms.s.suffix': 'bad' })).toEqual([
      'Invalid value bad for configuration suffix: bad is no suffix',
    ]);
  });

  it('run: a source, a sink, and a transform in a built-in connector', async () => {
    await putConnector(millrace, 'numbers', {
      ...TEXT,
      'connector.class': SOURCE,
      'numbers.topic': 'numbers',
    });
    await eventually('all numbers', async () => (await numbersIn('numbers')).length === 100, 30_000);
    expect(await numbersIn('numbers')).toEqual(upTo(100));
    const { body } = await millrace.request('GET', '/connectors/numbers/status');
    expect(body).toMatchObject({ connector: { version: '3.1.4' }, tasks: [{ version: '3.1.4' }] });

    const file = path.join(project, 'lines');
    await putConnector(millrace, 'lines', {
      ...TEXT,
      'connector.class': 'com.acme.LinesSinkConnector',
      topics: 'numbers',
      'lines.file': file,
    });
    const read = (): string[] =>
      existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
    await eventually('all lines', () => read().length === 100, 30_000);
    expect(read()).toEqual(upTo(100).map(String));

    const texts = path.join(project, 'texts');
    writeFileSync(texts, 'a\nb\n');
    await putConnector(millrace, 'texts', {
      'connector.class': FILE_SOURCE,
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
      file: texts,
      topic: 'texts',
      transforms: 's',
      'transforms.s.type': 'com.acme.Suffix',
      'transforms.s.suffix': '!',
    });
    const values = async (): Promise<string[]> =>
      (await readTopic(millrace.kafka, 'texts')).map(({ value }) => value?.toString() ?? '');
    await eventually('both texts', async () => (await values()).length === 2);
    expect(await values()).toEqual(['a!', 'b!']);
    const metrics = await (await fetch(`${millrace.rest}/metrics`)).text();
    expect(metrics).toMatch(/connector="numbers"/);
    for (const name of ['numbers', 'lines', 'texts']) await millrace.request('DELETE', `/connectors/${name}`);
  });

  const misdeeds: Record<Misdeed, string> = {
    heap: 'it needed more than 64 MB of heap (plugin.process.heap.mb)',
    buffers: 'it needed more than 300 MB of memory (plugin.process.memory.mb)',
    exit: 'it ended itself (exit code 0)',
    'throw-later': 'an error that nobody caught: thrown where nobody waits',
    loop: 'as if in an endless loop',
    crash: 'it crashed (signal SIGSEGV)',
  };

  it('INV-6: end nothing but their own process, whatever they do, while a connector beside them goes on', {
    timeout: 180_000,
  }, async () => {
    const file = path.join(project, 'beside');
    writeFileSync(file, '');
    await putConnector(millrace, 'beside', {
      'connector.class': FILE_SOURCE,
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
      file,
      topic: 'beside',
    });
    let written = 0;
    const writer = setInterval(() => appendFileSync(file, `${written++}\n`), 10);
    const pid = millrace.pid;
    try {
      for (const [misdeed, reason] of Object.entries(misdeeds)) {
        const name = `does-${misdeed}`;
        const { status } = await millrace.request('PUT', `/connectors/${name}/config`, {
          ...TEXT,
          'connector.class': SOURCE,
          'numbers.topic': name,
          'numbers.misdeed': misdeed,
          'errors.max.retries': '0',
        });
        expect(status).toBe(201);
        const text = await untilFailed(name);
        expect(text).toContain(`The process of the plug-ins of ${name} died: `);
        expect(text).toContain(reason);
        const { connector, tasks } = await connectorStatus(millrace, 'beside');
        expect([connector.state, ...tasks.map(({ state }) => state)]).toEqual(['RUNNING', 'RUNNING']);
      }
      const sink = 'loops-in-put';
      await millrace.request('PUT', `/connectors/${sink}/config`, {
        ...TEXT,
        'connector.class': 'com.acme.LinesSinkConnector',
        topics: 'numbers',
        'lines.file': path.join(project, 'never'),
        'lines.misdeed': 'loop',
        'errors.max.retries': '0',
      });
      expect(await untilFailed(sink)).toContain('as if in an endless loop');
      const texts = path.join(project, 'ending-texts');
      writeFileSync(texts, 'the end\n');
      await millrace.request('PUT', '/connectors/ends-in-transform/config', {
        'connector.class': FILE_SOURCE,
        'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
        file: texts,
        topic: 'ending-texts',
        transforms: 's',
        'transforms.s.type': 'com.acme.Suffix',
        'transforms.s.suffix': '!',
        'errors.max.retries': '0',
      });
      expect(await untilFailed('ends-in-transform')).toContain('it ended itself (exit code 0)');
    } finally {
      clearInterval(writer);
    }
    expect(millrace.pid).toBe(pid);
    const seen = async (): Promise<number[]> =>
      (await readTopic(millrace.kafka, 'beside')).map(({ value }) => Number(value?.toString()));
    await eventually(
      'every line of the connector beside them',
      async () => (await seen()).length >= written,
      30_000,
    );
    expect(await seen()).toEqual(upTo(written));
    expect(millrace.logs).not.toContain('a task thread died');
  });

  it('INV-3: go on without a gap when their process has died and the task is started again', {
    timeout: 90_000,
  }, async () => {
    await putConnector(millrace, 'again', {
      ...TEXT,
      'connector.class': SOURCE,
      'numbers.topic': 'again',
      'numbers.misdeed': 'crash',
      'numbers.once': path.join(project, 'crashed-once'),
    });
    await eventually('all numbers', async () => new Set(await numbersIn('again')).size === 100, 60_000);
    await untilRunning(millrace, 'again');
    const numbers = await numbersIn('again');
    // At least once: a replay repeats a contiguous range.
    expect(numbers.filter((number, i) => numbers.indexOf(number) === i)).toEqual(upTo(100));
    expect(existsSync(path.join(project, 'crashed-once'))).toBe(true);
  });

  it('INV-6: a connector whose start ends the process fails, and the others of its package go on', async () => {
    const running = { ...TEXT, 'connector.class': SOURCE, 'numbers.topic': 'fine' };
    await putConnector(millrace, 'fine', running);
    const config = { ...running, 'numbers.topic': 'x', 'numbers.misdeed': 'connector-exit' };
    await millrace.request('PUT', '/connectors/ends/config', config);
    await eventually('it fails', async () => {
      const { connector } = await connectorStatus(millrace, 'ends');
      return (
        connector.state === 'FAILED' && (connector.trace ?? '').includes('it ended itself (exit code 7)')
      );
    });
    await millrace.request('DELETE', '/connectors/ends');
    await eventually('all numbers', async () => (await numbersIn('fine')).length === 100, 30_000);
    // Whatever its config says by now is asked of the connector, in its new process.
    const changed = { ...running, 'numbers.until': '120' };
    await putConnector(millrace, 'fine', changed);
    await eventually('more numbers', async () => (await numbersIn('fine')).length === 120, 30_000);
    expect((await connectorStatus(millrace, 'fine')).connector.state).toBe('RUNNING');
  });

  it('INV-2: stop with their worker, so that the next one repeats nothing', { timeout: 90_000 }, async () => {
    await using other = await startMillrace({ cwd: project, properties: { plugins: '["@acme/numbers"]' } });
    const config = {
      ...TEXT,
      'connector.class': SOURCE,
      'numbers.topic': 'steady',
      'numbers.until': '1000000',
    };
    await putConnector(other, 'steady', config);
    const read = async (): Promise<number[]> =>
      (await readTopic(other.kafka, 'steady')).map(({ value }) => Number(value?.readBigInt64BE()));
    await eventually('some numbers', async () => (await read()).length >= 100);
    expect(await other.end()).toBe(true);
    await other.start();
    const before = (await read()).length;
    await eventually('more numbers', async () => (await read()).length >= before + 100);
    const numbers = await read();
    expect(numbers).toEqual(upTo(numbers.length));
  });

  it('INV-2: a process without its worker is gone at once, also one that is blocked', {
    timeout: 60_000,
  }, async () => {
    await using other = await startMillrace({ cwd: project, properties: { plugins: '@acme/numbers' } });
    const blocked = path.join(project, 'blocked');
    const config = { ...TEXT, 'connector.class': SOURCE, 'numbers.topic': 'any' };
    await putConnector(other, 'idle', config);
    await other.request('PUT', '/connectors/blocked/config', {
      ...config,
      'numbers.misdeed': 'loop',
      'numbers.once': blocked,
    });
    // Written right before the loop that never ends.
    await eventually('the blocked process', () => existsSync(blocked), 60_000);
    const pids = childrenOf(other.pid ?? 0);
    expect(pids.length).toBeGreaterThanOrEqual(2);
    await other.end('SIGKILL');
    await eventually('no process is left', () => pids.every((pid) => !isAlive(pid)), 5000);
  });
});

function childrenOf(parent: number): number[] {
  const file = `/proc/${parent}/task/${parent}/children`;
  return readFileSync(file, 'utf8')
    .trim()
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number);
}

function isAlive(pid: number): boolean {
  try {
    // A zombie waits for whoever has taken it over; it does nothing any more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
