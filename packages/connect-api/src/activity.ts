// What a task is doing at the moment, for its status. Noted per call or batch, never per record.

/** What a task is doing that must get on, for its status (INV-7). Waiting for new data is not an activity. */
export interface TaskActivity {
  /** Follows "no progress while", such as `creating the slot`. */
  readonly stage: string;
  /** Changes whenever it gets on. */
  readonly progress: number | string;
  /**
   * Since when it has not got on, on the clock that never goes back, where that is known better than from looking at it
   * again and again.
   */
  readonly sinceMs?: number | undefined;
  /** Why the last attempt failed, while it is being repeated. */
  readonly error?: Error | undefined;
  /** What to do about it where no error says that: one sentence. */
  readonly hint?: string | undefined;
}

/** One strand of a task's work, as noted by whoever does it: in at most one stage at a time. */
export class ActivityStep {
  #hint: string | undefined;
  #stage: string | null = null;
  #moves = 0;
  #error: Error | undefined;

  /** Begins a stage, also the same one anew. */
  enter(stage: string, hint?: string): void {
    this.#stage = stage;
    this.#hint = hint;
    this.#moves++;
    this.#error = undefined;
  }

  /** Is in that stage from now on, or still. */
  stay(stage: string, hint?: string): void {
    if (this.#stage !== stage) this.enter(stage, hint);
  }

  /** An attempt of this stage failed and will be repeated. */
  failing(error: Error): void {
    this.#error = error;
  }

  /** Nothing is to be done. */
  leave(): void {
    this.#stage = null;
    this.#error = undefined;
  }

  get activity(): TaskActivity | null {
    return this.#stage === null
      ? null
      : { stage: this.#stage, progress: this.#moves, error: this.#error, hint: this.#hint };
  }
}
