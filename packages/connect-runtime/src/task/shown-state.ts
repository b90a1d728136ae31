// What the status shows of a task that has not failed: its state, and why it makes no progress if it makes none.
import type { TaskEvents, TaskState } from './task-runner.ts';

/** Tells the host of changes, once each. */
export class ShownState {
  readonly #events: TaskEvents;
  #state: TaskState = 'UNASSIGNED';
  #trace: string | undefined;

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

  #tell(): void {
    this.#events.onState(this.#state, this.#trace);
  }
}
