// A worker with the bench's plug-ins, alone in its process: `worker-program.js BOOTSTRAP DATA`. Its REST port is the
// message it sends.
import { startWorker } from '@millrace/connect-runtime';
import { createMetrics, LogHub, systemClock } from '@millrace/foundation';
import { pluginEntries } from './worker-plugins.ts';

const [, , bootstrapServers = '', dataDir = ''] = process.argv;
const worker = await startWorker({
  properties: { 'key.converter': 'org.apache.kafka.connect.storage.StringConverter' },
  pluginEntries,
  pluginsModule: new URL('../dist/worker-plugins.js', import.meta.url),
  bootstrapServers,
  rest: { host: '127.0.0.1', port: 0 },
  dataDir,
  logHub: new LogHub({ level: 'warn' }),
  metrics: createMetrics(),
  clock: systemClock,
  env: {},
  version: '0',
  onFatal: (error) => {
    throw error;
  },
});
process.send?.(worker.restPort);
