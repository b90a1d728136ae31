// What a task is doing at the moment, as noted by whoever does it: a field is set per call or batch, never per record.
import type { TaskActivity } from '@millrace/connect-api';

/** One strand of a task's work: it is in at most one stage at a time. */
export class Step {
  readonly #hint: string | undefined;
  #stage: string | null = null;
  #moves = 0;
  #error: Error | undefined;

  constructor(options: { readonly hint?: string } = {}) {
    this.#hint = options.hint;
  }

  /** Begins a stage, also the same one anew. */
  enter(stage: string): void {
    this.#stage = stage;
    this.#moves++;
    this.#error = undefined;
  }

  /** Is in that stage from now on, or still. */
  stay(stage: string): void {
    if (this.#stage !== stage) this.enter(stage);
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
