// Entry of a process that runs plug-ins of others: their tasks, and tasks with their transforms or converters, and
// whatever the worker asks of their connectors.
import { writeSync } from 'node:fs';
import { register } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { PluginEntry } from '@millrace/connect-api';
import { LogHub } from '@millrace/foundation';
import { Lease } from '../lease.ts';
import { PackageCalls } from '../plugin-packages/calls.ts';
import { findPlugin } from '../plugin-packages/exports.ts';
import { PluginRegistry } from '../plugins.ts';
import { requestTimeoutMs } from '../task/client-settings.ts';
import type { ChildData, FromChild, PluginPlace, ToChild } from './child-messages.ts';
import { errorData } from './error-data.ts';
import { applyLevels, TaskSide } from './task-side.ts';
import { type Counter, WriteCount } from './write-count.ts';

/** Where the worker lets this process keep the counts of writes. */
const WRITES_FD = 4;

/** INV-2: without its worker nobody may have anything of it written, and at once: exit handlers are the plug-in's. */
function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function send(message: FromChild): void {
  // Without a worker there is nobody to tell, and nothing to do but die.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** In a file, which is there when this process is not. */
function fileCounter(id: number): Counter {
  const bytes = Buffer.alloc(Int32Array.BYTES_PER_ELEMENT);
  let count = 0;
  return (change) => {
    count += change;
    // Only whether there are any is ever asked.
    if (count > 1 || (count === 1 && change < 0)) return;
    bytes.writeInt32LE(count);
    writeSync(WRITES_FD, bytes, 0, bytes.length, id * bytes.length);
  };
}

function entryOf(place: PluginPlace): PluginEntry {
  const { kind, className, aliases, version } = place;
  return { kind, className, aliases, version, load: () => findPlugin(place.package, kind, className) };
}

async function run(data: ChildData): Promise<(message: ToChild) => void> {
  const watch = { parent: process.ppid, memoryBytes: data.memoryMb * 2 ** 20 };
  new Worker(new URL('./child-watch.js', import.meta.url), { workerData: watch, execArgv: [] }).unref();
  // One copy of the contract in this process: records and errors of others are what ours know.
  register('../plugin-packages/own-contract.js', import.meta.url);
  const own =
    data.pluginsModule === null
      ? []
      : ((await import(data.pluginsModule)) as { pluginEntries: readonly PluginEntry[] }).pluginEntries;
  const entries = [...own, ...data.places.map(entryOf)];
  const lease = new Lease();
  lease.set(data.lease);
  const logHub = new LogHub({ destination: { write: (line) => send({ type: 'log', line }) } });
  applyLevels(logHub, data.logLevels);
  const side = new TaskSide({
    entries,
    logHub,
    lease,
    send,
    writesOf: (id, spec) => new WriteCount(fileCounter(id), { requestTimeoutMs: requestTimeoutMs(spec) }),
    onEnd: die,
  });
  const calls = new PackageCalls(new PluginRegistry(entries), logHub, send);
  return (message) => {
    if (message.type === 'ping') send({ type: 'pong' });
    else if (message.type === 'lease') lease.set(message.ends);
    else if (message.type === 'call') void calls.answer(message);
    else if (message.type !== 'init') side.receive(message);
  };
}

process.once('disconnect', die);
if (!process.connected) die();
// Sent to all processes of a terminal or a service: the worker ends its own, after their tasks.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('uncaughtExceptionMonitor', (error) => send({ type: 'dying', error: errorData(error) }));

let receive: ((message: ToChild) => void) | undefined;
const waiting: ToChild[] = [];
process.on('message', (message: ToChild) => {
  if (receive) receive(message);
  else if (message.type !== 'init') waiting.push(message);
  else
    void run(message.data).then((started) => {
      receive = started;
      send({ type: 'ready' });
      for (const early of waiting.splice(0)) receive(early);
    });
});
