// What the status shows of a task that has not failed: its state, and why it makes no progress if it makes none.
import type { TaskEvents, TaskState } from './task-runner.ts';

/** Begins the trace of a task that has something to say and nothing to complain of. */
export const NOTE = 'Note: ';

/** Tells the host of changes, once each. */
export class ShownState {
  readonly #events: TaskEvents;
  #state: TaskState = 'UNASSIGNED';
  #trace: string | undefined;
  #note: string | undefined;

  constructor(events: TaskEvents) {
    this.#events = events;
  }

  get running(): boolean {
    return this.#state === 'RUNNING';
  }

  /** Until the first call the task is starting. */
  state(state: TaskState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#tell();
  }

  trace(trace: string | undefined): void {
    if (trace === this.#trace) return;
    this.#trace = trace;
    this.#tell();
  }

  /** What is worth knowing while nothing is wrong. */
  note(text: string): void {
    this.#note = `${NOTE}${text}`;
    this.#tell();
  }

  #tell(): void {
    this.#events.onState(this.#state, this.#trace ?? this.#note);
  }
}
