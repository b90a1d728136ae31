// Entry of a task thread: loads the plug-ins for itself.
import { workerData } from 'node:worker_threads';
import type { PluginEntry } from '@millrace/connect-api';
import type { ThreadData } from './messages.ts';
import { runTaskThread } from './run-thread.ts';

const { pluginsModule } = workerData as ThreadData;
const { pluginEntries } = (await import(pluginsModule)) as { pluginEntries: readonly PluginEntry[] };
runTaskThread(pluginEntries);
