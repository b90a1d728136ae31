// A gate that a loop waits at while its task is paused.

export class PauseGate {
  #paused: boolean;
  #waiters: (() => void)[] = [];

  constructor(options: { paused: boolean }) {
    this.#paused = options.paused;
  }
  get paused(): boolean {
    return this.#paused;
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    for (const wake of this.#waiters.splice(0)) wake();
  }
  /** Resolves when the gate is open, or when the signal fires. */
  async passed(signal: AbortSignal): Promise<void> {
    if (!this.#paused || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.push(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
