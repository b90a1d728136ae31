// Timers for many waits that mostly end otherwise or together: one timer of Node's for all that end in the same step of
// time, instead of one and a turn of the event loop each.

export interface Deadline {
  /** Takes it back; nothing happens when it has passed. */
  cancel(): void;
}

export class Deadlines {
  readonly #stepMs: number;
  /** By the step at whose end they are due. */
  readonly #due = new Map<number, Set<() => void>>();

  /** `stepMs`: how much later than asked a deadline may come. */
  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  /** Calls `passed` once after at least `ms` and at most a step more. */
  after(ms: number, passed: () => void): Deadline {
    const now = performance.now();
    const step = Math.ceil((now + ms) / this.#stepMs);
    let waiting = this.#due.get(step);
    if (!waiting) {
      waiting = new Set();
      this.#due.set(step, waiting);
      setTimeout(() => this.#pass(step), Math.ceil(step * this.#stepMs - now));
    }
    const calls = waiting;
    calls.add(passed);
    return { cancel: () => void calls.delete(passed) };
  }

  #pass(step: number): void {
    const waiting = this.#due.get(step);
    this.#due.delete(step);
    // One of them may cancel another.
    for (const passed of waiting ?? []) passed();
  }
}
