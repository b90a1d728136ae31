// How long a task has been in which state: the ratios that its metrics show.
import type { Clock } from '@millrace/foundation';
import type { ShownState } from '../metrics/worker-meters.ts';

export class StateTimes {
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #totals = new Map<ShownState, number>();
  #state: ShownState = 'unassigned';
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
    this.#sinceMs = this.#startedMs;
  }

  get state(): ShownState {
    return this.#state;
  }

  change(state: ShownState): void {
    const nowMs = this.#clock.monotonicMs();
    this.#totals.set(this.#state, this.#timeIn(this.#state, nowMs));
    this.#state = state;
    this.#sinceMs = nowMs;
  }

  /** Share of the time since the start, 0 to 1. */
  ratio(state: ShownState): number {
    const nowMs = this.#clock.monotonicMs();
    const allMs = nowMs - this.#startedMs;
    return allMs === 0 ? 0 : this.#timeIn(state, nowMs) / allMs;
  }

  #timeIn(state: ShownState, nowMs: number): number {
    const before = this.#totals.get(state) ?? 0;
    return state === this.#state ? before + nowMs - this.#sinceMs : before;
  }
}
