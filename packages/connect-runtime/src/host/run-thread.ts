// What a task thread does from its start to its end.
import { parentPort, workerData } from 'node:worker_threads';
import type { PluginEntry } from '@millrace/connect-api';
import { collectWhenQuiet, LogHub } from '@millrace/foundation';
import { HandOver } from '@millrace/kafka-client';
import { Lease } from '../lease.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { applyLevels, TaskSide } from './task-side.ts';
import { newWriteCount, sharedCounter, WriteCount } from './write-count.ts';

/** Runs tasks with these plug-ins until the thread that started this one says that it is enough. */
export function runTaskThread(entries: readonly PluginEntry[]): void {
  if (!parentPort) throw new Error('tasks run in a worker thread');
  const port = parentPort;
  const { logLevels, lease, handOver } = workerData as ThreadData;
  const send = (message: FromThread): void => port.postMessage(message);
  // Lines go where the main thread's go, in one stream.
  const logHub = new LogHub({ destination: { write: (line) => send({ type: 'log', line }) } });
  applyLevels(logHub, logLevels);
  const side = new TaskSide({
    entries,
    logHub,
    lease: new Lease(lease),
    send,
    handOver: handOver && new HandOver(handOver),
    writesOf: (_id, spec, shared) =>
      new WriteCount(sharedCounter(shared ?? newWriteCount()), { requestTimeoutMs: requestTimeoutMs(spec) }),
    onEnd: () => process.exit(0),
  });
  collectWhenQuiet();
  port.on('message', (message: ToThread) => side.receive(message));
}
