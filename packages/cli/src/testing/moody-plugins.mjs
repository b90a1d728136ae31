// The plug-ins of the distribution and a source, a sink and a transform with moods. A mood is what a file of the config
// says at the moment of a call: `fail`, `retry` (an error that can pass), `hang`, or nothing.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { SourceRecord } from '@millrace/connect-api';
import { ConfigDef, defineErrorCodes, MillraceError } from '@millrace/foundation';
import { pluginEntries as shipped } from '../../dist/plugins.js';

defineErrorCodes({ 'moody.passing': { policy: 'retry', remedy: 'Wait for better times.' } });

/** Does what the mood in a file is. */
async function obey(file, what) {
  const mood = file && existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  if (mood === 'fail') throw new Error(`${what} is in the mood to fail`);
  if (mood === 'retry') throw new MillraceError('moody.passing', `${what} is not in the mood now`);
  if (mood === 'hang') await new Promise(() => undefined);
}

/** Each start of a task is a line `TASK` in a file. */
function noteStart(config, taskId) {
  if (config['starts.file']) appendFileSync(config['starts.file'], `${taskId}\n`);
}

const PARTITION = { stream: 'numbers' };

function createSourceTask() {
  let config;
  let partition;
  let next = 0;
  return {
    async start(context) {
      config = context.config;
      partition = { ...PARTITION, task: context.taskId };
      noteStart(config, context.taskId);
      next = ((await context.offsets.offset(partition))?.number ?? -1) + 1;
      await obey(config[`mood.${context.taskId}`], 'start');
    },
    async poll(signal) {
      await obey(config['poll.mood'], 'poll');
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (signal.aborted) return null;
      const number = next++;
      const init = {
        sourcePartition: partition,
        sourceOffset: { number },
        topic: config.topic,
        value: String(number),
      };
      return { records: [new SourceRecord(init)] };
    },
    async commit() {},
    async stop() {
      await obey(config['stop.mood'], 'stop');
    },
  };
}

function createSinkTask() {
  let config;
  let context;
  return {
    async start(given) {
      context = given;
      config = given.config;
      noteStart(config, context.taskId);
    },
    async open() {
      return undefined;
    },
    async put(records) {
      await obey(config['put.mood'], 'put');
      for (const { value } of records) {
        if (value === config['errant'] && context.errantRecords) {
          await context.errantRecords.report(
            records.find((record) => record.value === value),
            new Error('errant'),
          );
        } else if (config.file) appendFileSync(config.file, `${value}\n`);
      }
    },
    async preCommit(delivered) {
      return delivered;
    },
    async close() {},
    async stop() {
      await obey(config['stop.mood'], 'stop');
    },
  };
}

function createConnector() {
  let config;
  return {
    async start(_context, given) {
      config = given;
      await obey(config['connector.mood'], 'the connector');
    },
    taskConfigs: async (count) => Array.from({ length: count }, () => config),
    async stop() {
      await obey(config['connector.stop.mood'], 'the end of the connector');
    },
  };
}

const base = { version: '1', configDef: new ConfigDef([]), passThrough: () => true, createConnector };
const validate = async (config) => {
  await obey(config['validate.mood'], 'validation');
  return { problems: [] };
};
const source = {
  ...base,
  kind: 'source',
  className: 'test.MoodySource',
  createTask: createSourceTask,
  validate,
};
const sink = { ...base, kind: 'sink', className: 'test.MoodySink', createTask: createSinkTask };

/** Fails on the value that its setting names. */
const transform = {
  kind: 'transformation',
  className: 'test.Moody',
  version: null,
  configDef: new ConfigDef([]),
  create() {
    let settings;
    return {
      configure(given) {
        settings = given;
      },
      apply(record) {
        if (record.value === settings['fails.on']) throw new Error(`${record.value} is not to its liking`);
        return record;
      },
    };
  },
};

export const pluginEntries = [
  ...shipped,
  ...[source, sink, transform].map((plugin) => ({
    kind: plugin.kind,
    className: plugin.className,
    version: plugin.version,
    load: async () => plugin,
  })),
];
