// The plug-ins of the distribution and a source that counts. Its records name the incarnation of the task that made
// them: `INCARNATION NUMBER`. Its thread dies when the file of the config is there.
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { SourceRecord } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';
import { pluginEntries as shipped } from '../../dist/plugins.js';

const PARTITION = { stream: 'numbers' };

function createTask() {
  const incarnation = randomUUID().slice(0, 8);
  let config;
  let next = 0;
  return {
    async start(context) {
      config = context.config;
      next = ((await context.offsets.offset(PARTITION))?.number ?? -1) + 1;
    },
    async poll(signal) {
      if (existsSync(config['die.file'])) {
        rmSync(config['die.file']);
        process.exit(3);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (signal.aborted) return null;
      const number = next++;
      const value = `${incarnation} ${number}`;
      const init = { sourcePartition: PARTITION, sourceOffset: { number }, topic: config.topic, value };
      return { records: [new SourceRecord(init)] };
    },
    async commit() {},
    async stop() {},
  };
}

function createConnector() {
  let config;
  return {
    async start(_context, given) {
      config = given;
    },
    taskConfigs: async () => [config],
    async stop() {},
  };
}

const className = 'test.CountingSource';
const plugin = {
  kind: 'source',
  className,
  version: '1',
  configDef: new ConfigDef([]),
  passThrough: () => true,
  createTask,
  createConnector,
};

export const pluginEntries = [
  ...shipped,
  { kind: 'source', className, version: '1', load: async () => plugin },
];
