// The plug-ins of the distribution and a source that counts, in several tasks and in transactions of its own making.
// Values are `TASK NUMBER`. `group.size` numbers share a position; with `boundaries` each group is a transaction, and
// every third one is aborted. At `fail.at` a task fails once amid its group, after what came before was handed over.
import { existsSync, writeFileSync } from 'node:fs';
import { SourceRecord } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';
import { pluginEntries as shipped } from '../../dist/plugins.js';

function createTask() {
  let config;
  let context;
  let partition;
  let next = 0;
  const size = () => Number(config['group.size'] ?? 1);
  return {
    async start(given) {
      context = given;
      config = given.config;
      partition = { task: given.taskId };
      next = ((await context.offsets.offset(partition))?.group ?? 0) * size();
    },
    async poll(signal) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (signal.aborted || next >= Number(config.count)) return null;
      const fails = config['fail.file'];
      if (fails && next === Number(config['fail.at']) && !existsSync(fails)) {
        writeFileSync(fails, '');
        throw new Error('failed as it was told to');
      }
      const number = next++;
      const ends = next % size() === 0;
      const group = Math.floor(number / size());
      const record = new SourceRecord({
        sourcePartition: partition,
        sourceOffset: { group: ends ? group + 1 : group },
        topic: config.topic,
        value: `${context.taskId} ${number}${'x'.repeat(number === Number(config['large.at']) ? 2_000_000 : 0)}`,
      });
      if (ends && config.boundaries === 'true') {
        if (group % 3 === 2) context.transactions.abortTransaction(record);
        else context.transactions.commitTransaction(record);
      }
      return { records: [record], unfinished: !ends };
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
    taskConfigs: async (most) =>
      Array.from({ length: most }, (_, task) => ({ ...config, number: String(task) })),
    async stop() {},
  };
}

const className = 'test.GroupSource';
const plugin = {
  kind: 'source',
  className,
  version: '1',
  configDef: new ConfigDef([]),
  passThrough: () => true,
  exactlyOnceSupport: () => 'SUPPORTED',
  canDefineTransactionBoundaries: () => 'SUPPORTED',
  createTask,
  createConnector,
};

export const pluginEntries = [
  ...shipped,
  { kind: 'source', className, version: '1', load: async () => plugin },
];
