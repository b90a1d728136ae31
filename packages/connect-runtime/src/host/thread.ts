// Entry of a task thread: loads the plug-ins for itself.
import { parentPort, workerData } from 'node:worker_threads';
import type { PluginEntry } from '@millrace/connect-api';
import { collectWhenQuiet, LogHub } from '@millrace/foundation';
import { Lease } from '../lease.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { applyLevels, TaskSide } from './task-side.ts';
import { newWriteCount, sharedCounter, WriteCount } from './write-count.ts';

async function main(): Promise<void> {
  if (!parentPort) throw new Error('this module runs in a worker thread');
  const port = parentPort;
  const { pluginsModule, logLevels, lease } = workerData as ThreadData;
  const { pluginEntries } = (await import(pluginsModule)) as { pluginEntries: readonly PluginEntry[] };
  const send = (message: FromThread): void => port.postMessage(message);
  // Lines go where the main thread's go, in one stream.
  const logHub = new LogHub({ destination: { write: (line) => send({ type: 'log', line }) } });
  applyLevels(logHub, logLevels);
  const side = new TaskSide({
    entries: pluginEntries,
    logHub,
    lease: new Lease(lease),
    send,
    writesOf: (_id, spec, shared) =>
      new WriteCount(sharedCounter(shared ?? newWriteCount()), { requestTimeoutMs: requestTimeoutMs(spec) }),
    onEnd: () => process.exit(0),
  });
  collectWhenQuiet();
  port.on('message', (message: ToThread) => side.receive(message));
}

await main();
