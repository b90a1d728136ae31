// Calls that wait for a signal which lives long and mostly does not fire. Adding a listener to a signal and taking it away
// costs more than many a wait; here a signal has one listener for all that ever wait for it.

interface Call {
  readonly call: () => void;
}

const callsOf = new WeakMap<AbortSignal, Set<Call>>();

/**
 * Calls `call` once when the signal fires, unless the answer is called before. Not for signals of `AbortSignal.any`: one
 * with a listener is never collected.
 */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let calls = callsOf.get(signal);
  if (!calls) {
    const all = new Set<Call>();
    calls = all;
    callsOf.set(signal, all);
    const fire = (): void => {
      for (const { call: made } of all) made();
      all.clear();
    };
    signal.addEventListener('abort', fire, { once: true });
  }
  const waiting = calls;
  const added = { call };
  waiting.add(added);
  return () => void waiting.delete(added);
}
