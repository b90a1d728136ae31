// Entry of the task threads of `millrace start`, with the plug-ins that come with Millrace.
import { runTaskThread } from '@millrace/connect-runtime/task-thread';
import { pluginEntries } from './plugins.ts';

runTaskThread(pluginEntries);
