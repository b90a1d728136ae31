// Entry of the cleaner's thread; see run-job.ts. It ends with its job.
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@millrace/foundation';
import { nodeDisk } from '../../disk.ts';
import { wireError } from '../../errors.ts';
import { type CleanJob, runCleanJob } from './clean-job.ts';
import type { CleanerMessage } from './run-job.ts';
import { throttleTo } from './throttle.ts';

const port = parentPort;
if (!port) throw new Error('thread.ts runs in a worker thread only');
const post = (message: CleanerMessage): void => port.postMessage(message);
const job = workerData as CleanJob;

try {
  const throttle = throttleTo(job.maxBytesPerSecond, systemClock);
  const result = await runCleanJob(nodeDisk, job, throttle, async (group) => {
    const taken = once(port, 'message');
    post({ type: 'group', group });
    await taken;
  });
  post({ type: 'done', result });
} catch (error) {
  post({ type: 'failed', error: wireError(error) });
}
port.close();
