// Waiting for work that knows no signal.
import type { Clock } from '@millrace/foundation';
import { connectError } from '../errors.ts';

/** Resolves with the work, or with undefined as soon as the signal fires; the work itself goes on unobserved. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const give = (): void => resolve(undefined);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}

/** Waits for the work, but not longer than so long: then it goes on unobserved. @throws connect.stop_timed_out */
export async function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const timeout = clock.sleep(timeoutMs, done.signal).then((): never => {
    throw connectError('connect.stop_timed_out', `It has not ended within ${timeoutMs} ms.`);
  });
  timeout.catch(() => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    done.abort();
  }
}
