// A thread beside the plug-ins of a process, which goes on when they block it: ends the process when its worker is
// gone, or when it has taken more memory than it may. The heap has a limit of its own; buffers know none.
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { MEMORY_LIMIT_LINE } from './memory-limit.ts';

const EVERY_MS = 100;
const { parent, memoryBytes } = workerData as { readonly parent: number; readonly memoryBytes: number };

setInterval(() => {
  const full = process.memoryUsage.rss() > memoryBytes;
  if (!full && process.ppid === parent) return;
  if (full) writeSync(2, `${MEMORY_LIMIT_LINE}\n`);
  process.kill(process.pid, 'SIGKILL');
}, EVERY_MS);
