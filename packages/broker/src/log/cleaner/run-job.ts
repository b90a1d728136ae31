// Where a cleaning runs: in a thread of its own, so that the broker's loop never waits for it. The entry of the thread
// is thread.ts. A disk that exists in this thread only is cleaned in this thread.
import { Worker } from 'node:worker_threads';
import { systemClock } from '@millrace/foundation';
import { type Disk, nodeDisk } from '../../disk.ts';
import { brokerError, reviveError, type WireError } from '../../errors.ts';
import {
  type CleanedGroup,
  type CleanJob,
  type CleanResult,
  type GroupTaker,
  runCleanJob,
} from './clean-job.ts';
import { throttleTo } from './throttle.ts';

/** What the thread says. */
export type CleanerMessage =
  | { readonly type: 'group'; readonly group: CleanedGroup }
  | { readonly type: 'done'; readonly result: CleanResult }
  | { readonly type: 'failed'; readonly error: WireError };

/** Runs a job to its end or until the signal fires. */
export function runJob(
  disk: Disk,
  job: CleanJob,
  take: GroupTaker,
  signal: AbortSignal,
): Promise<CleanResult> {
  if (disk === nodeDisk) return runInThread(job, take, signal);
  return runCleanJob(disk, job, throttleTo(job.maxBytesPerSecond, systemClock), take);
}

async function runInThread(job: CleanJob, take: GroupTaker, signal: AbortSignal): Promise<CleanResult> {
  const url = new URL('../../../dist/log/cleaner/thread.js', import.meta.url);
  const worker = new Worker(url, { workerData: job, execArgv: [] });
  const stop = (): void => void worker.terminate();
  let taking: Promise<void> = Promise.resolve();
  try {
    return await new Promise<CleanResult>((resolve, reject) => {
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      worker.on('error', reject);
      worker.on('exit', (code) => {
        reject(brokerError('broker.thread_failed', `The cleaner's thread ended with code ${code}.`));
      });
      worker.on('message', (message: CleanerMessage) => {
        if (message.type === 'done') resolve(message.result);
        else if (message.type === 'failed') reject(reviveError(message.error));
        else {
          taking = take(message.group);
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
          taking.then(() => worker.postMessage('go on'), reject);
        }
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
    // An exchange that has begun is ended before the log may be closed.
    await taking.catch(() => undefined);
  }
}
