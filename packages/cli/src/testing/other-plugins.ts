// Packages with plug-ins as others write them, made in a folder of a test's own: some that work, and some that do to
// their process what a plug-in should not.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What a plug-in does to its process once it has read or been given enough. */
export type Misdeed = 'heap' | 'buffers' | 'exit' | 'throw-later' | 'loop' | 'crash';

const MISDEEDS = `
const kept = [];
export async function misbehave(how) {
  if (how === 'heap') for (;;) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
  if (how === 'buffers') for (;;) { kept.push(Buffer.alloc(16 << 20, 1)); await new Promise(setImmediate); }
  if (how === 'exit') process.exit(0);
  if (how === 'throw-later') { setTimeout(() => { throw new Error('thrown where nobody waits'); }); await new Promise(() => {}); }
  if (how === 'loop') for (;;);
  if (how === 'crash') process.kill(process.pid, 'SIGSEGV');
}
`;

const SOURCE = `
import { SourceRecord } from '@millrace/connect-api';
import { INT64 } from '@millrace/data';
import { ConfigDef, validators } from '@millrace/foundation';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { misbehave } from './misdeeds.js';

const configDef = new ConfigDef([
  { name: 'numbers.topic', type: 'STRING', importance: 'HIGH', doc: 'Topic of the numbers.' },
  { name: 'numbers.until', type: 'INT', default: 100, importance: 'LOW', doc: 'The first number that is not sent.', validator: validators.between(1, 1000000) },
  { name: 'numbers.misdeed', type: 'STRING', default: '', importance: 'LOW', doc: 'What to do at number 50.' },
  { name: 'numbers.once', type: 'STRING', default: '', importance: 'LOW', doc: 'File that says that it was done.' },
  { name: 'numbers.pids', type: 'STRING', default: '', importance: 'LOW', doc: 'File that gets the process of each start of the task.' },
]);

class NumbersConnector {
  async start(context, config) {
    if (config['numbers.misdeed'] === 'connector-exit') process.exit(7);
    this.config = config;
    this.context = context;
  }
  async taskConfigs() { return [this.config]; }
  async stop() {}
}

class NumbersTask {
  partition = { of: 'numbers' };
  async start(context) {
    this.config = configDef.parseOrThrow(context.config).config;
    this.next = Number((await context.offsets.offset(this.partition))?.next ?? 0);
    context.logger.info({ next: this.next }, 'numbers start');
    const pids = this.config.string('numbers.pids');
    if (pids !== '') appendFileSync(pids, process.pid + '\\n');
  }
  async poll(signal) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.next >= this.config.int('numbers.until')) return null;
    const once = this.config.string('numbers.once');
    if (this.next >= 50 && !(once !== '' && existsSync(once))) {
      if (once !== '') writeFileSync(once, '');
      await misbehave(this.config.string('numbers.misdeed'));
    }
    const value = this.next++;
    const record = new SourceRecord({ sourcePartition: this.partition, sourceOffset: { next: this.next },
      topic: this.config.string('numbers.topic'), keySchema: INT64, key: value, valueSchema: INT64, value });
    return { records: [record] };
  }
  async commit() {}
  async stop() {}
}

export const source = {
  kind: 'source', className: 'com.acme.NumbersSourceConnector', version: '3.1.4', configDef,
  createConnector: () => new NumbersConnector(), createTask: () => new NumbersTask(),
};
`;

const SINK = `
import { ConfigDef } from '@millrace/foundation';
import { appendFileSync } from 'node:fs';
import { misbehave } from './misdeeds.js';

const configDef = new ConfigDef([
  { name: 'lines.file', type: 'STRING', importance: 'HIGH', doc: 'File that gets a line a record.' },
  { name: 'lines.misdeed', type: 'STRING', default: '', importance: 'LOW', doc: 'What to do with the first record.' },
]);

class LinesTask {
  async start(context) { this.config = configDef.parseOrThrow(context.config).config; }
  async open() { return undefined; }
  async put(records) {
    if (records.length > 0) await misbehave(this.config.string('lines.misdeed'));
    for (const { value } of records) appendFileSync(this.config.string('lines.file'), value + '\\n');
  }
  async preCommit(delivered) { return delivered; }
  async close() {}
  async stop() {}
}

export const sink = {
  kind: 'sink', className: 'com.acme.LinesSinkConnector', version: '3.1.4', configDef,
  createConnector: () => ({
    async start(_context, config) { this.config = config; },
    async taskConfigs() { return [this.config]; },
    async stop() {},
  }),
  createTask: () => new LinesTask(),
};
`;

const TRANSFORM = `
import { ConfigDef, MillraceError } from '@millrace/foundation';
import { misbehave } from './misdeeds.js';

const configDef = new ConfigDef([
  { name: 'suffix', type: 'STRING', importance: 'HIGH', doc: 'What is put behind each value.',
    validator: (value) => value === 'bad' ? 'bad is no suffix' : undefined },
]);

class Suffix {
  configure(settings) { this.suffix = configDef.parseOrThrow(settings).config.string('suffix'); }
  apply(record) {
    if (record.value === 'the end') void misbehave('exit');
    return record.with({ value: record.value + this.suffix });
  }
}

export const transform = {
  kind: 'transformation', className: 'com.acme.Suffix', version: '3.1.4', configDef, create: () => new Suffix(),
};
`;

export function writePackage(
  folder: string,
  manifest: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>>,
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    path.join(folder, 'package.json'),
    JSON.stringify({ version: '3.1.4', type: 'module', ...manifest }),
  );
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
}

/** `@acme/numbers` below a folder's node_modules: a source, a sink and a transform that work until they are told not to. */
export function installNumbers(project: string): void {
  writePackage(
    path.join(project, 'node_modules/@acme/numbers'),
    { name: '@acme/numbers', exports: { '.': { import: './index.js' } } },
    {
      'misdeeds.js': MISDEEDS,
      'source.js': SOURCE,
      'sink.js': SINK,
      'transform.js': TRANSFORM,
      'index.js':
        "import { source } from './source.js';\nimport { sink } from './sink.js';\nimport { transform } from './transform.js';\nexport const plugins = [source, sink, transform];\n",
    },
  );
}
