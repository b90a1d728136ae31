// Waiting until something may have come.
import { afterRoughly, onAbort } from '@millrace/foundation';

/** One waits, others wake. */
export class Arrival {
  #wake: () => void = () => undefined;

  /** Ends a wait; nothing happens while nobody waits. */
  wake(): void {
    this.#wake();
  }

  /** True when the time has gone by, as exactly as `afterRoughly` has it; false when woken, or when the signal fired. */
  wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (wentBy: boolean): void => {
        timer.cancel();
        release?.();
        this.#wake = () => undefined;
        resolve(wentBy);
      };
      const wake = (): void => end(false);
      const timer = afterRoughly(Math.max(1, timeoutMs), () => end(true));
      const release = signal && onAbort(signal, wake);
      this.#wake = wake;
    });
  }
}
