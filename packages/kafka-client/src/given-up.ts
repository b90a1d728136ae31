// Waiting for something that others may wait for as well: who gives up leaves it alone.
import type { Clock } from '@millrace/foundation';
import { clientError } from './errors.ts';

/** How much longer than it may take an answer is waited for before something must be wrong. */
export const ANSWER_SLACK_MS = 2000;

/** What the promise brings, or an error as soon as the signal fires. @throws kafka.closed, and what the promise rejects with */
export async function orGivenUp<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await waiting;
  let giveUp: () => void = () => undefined;
  const given = new Promise<never>((_, reject) => {
    giveUp = () => reject(clientError('kafka.closed', 'The request was given up.'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([waiting, given]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

export interface Deadline {
  readonly signal: AbortSignal;
  /** Lets go of the clock and of the other signal; its own fires then. */
  readonly end: () => void;
}

/** A signal that fires after a time, or with another one. */
export function deadlineIn(clock: Clock, ms: number, other?: AbortSignal): Deadline {
  const fired = new AbortController();
  const end = (): void => {
    other?.removeEventListener('abort', end);
    fired.abort();
  };
  if (other?.aborted) end();
  other?.addEventListener('abort', end, { once: true });
  void clock.sleep(ms, fired.signal).then(end);
  return { signal: fired.signal, end };
}
