// Timers for many waits that mostly end otherwise or together: one timer of Node's for all that end in the same step of
// time, instead of one and a turn of the event loop each. Threads of one process have the same steps, so that who asks
// another at the end of a step finds it awake.

/** A wait that has not ended. */
export interface SharedTimer {
  /** Takes it back; nothing happens when it has ended. */
  cancel(): void;
}

/** Waits that end together. */
interface Step {
  readonly waits: Set<Wait>;
  /** None of them is left. */
  readonly giveUp: () => void;
}

class Wait implements SharedTimer {
  readonly passed: () => void;
  readonly #step: Step;

  constructor(step: Step, passed: () => void) {
    this.passed = passed;
    this.#step = step;
    step.waits.add(this);
  }

  cancel(): void {
    const { waits, giveUp } = this.#step;
    if (waits.delete(this) && waits.size === 0) giveUp();
  }
}

const ORIGIN_MS = performance.timeOrigin;

/** Waits that end at multiples of a step. They keep the process alive, as Node's timers do. */
export class SharedTimers {
  readonly #stepMs: number;
  readonly #originMs: number;
  /** By their number. */
  readonly #steps = new Map<number, Step>();

  /**
   * `stepMs`: how much later than asked a wait may end. `originMs`: when this thread began, by the clock of the steps; that
   * of all machines unless said otherwise.
   */
  constructor(stepMs: number, originMs: number = ORIGIN_MS) {
    this.#stepMs = stepMs;
    this.#originMs = originMs;
  }

  /** Calls `passed` once after at least `ms` and at most a step more. */
  after(ms: number, passed: () => void): SharedTimer {
    const nowMs = this.#originMs + performance.now();
    const number = Math.ceil((nowMs + ms) / this.#stepMs);
    const step = this.#steps.get(number) ?? this.#begin(number, nowMs);
    return new Wait(step, passed);
  }

  #begin(number: number, nowMs: number): Step {
    const timer = setTimeout(() => this.#pass(number), Math.ceil(number * this.#stepMs - nowMs));
    const giveUp = (): void => {
      // While its waits end, they are no more here.
      if (this.#steps.get(number) === step) this.#steps.delete(number);
      clearTimeout(timer);
    };
    const step: Step = { waits: new Set(), giveUp };
    this.#steps.set(number, step);
    return step;
  }

  #pass(number: number): void {
    const step = this.#steps.get(number);
    this.#steps.delete(number);
    // One of them may cancel another.
    for (const wait of step?.waits ?? []) wait.passed();
  }
}

/** How much too early a rough wait may end, in milliseconds. */
export const ROUGH_MS = 100;
/** What is shorter ends on time. */
const SHORTEST_ROUGH_MS = 800;
const roughTimers = new SharedTimers(ROUGH_MS);

/**
 * Calls `passed` once after about `ms`, for what is done again and again: a wait of most of a second or more ends up to
 * `ROUGH_MS` early together with others, since a thread that wakes for each of some hundred tasks by itself does little
 * else. A shorter one ends on time.
 */
export function afterRoughly(ms: number, passed: () => void): SharedTimer {
  if (ms >= SHORTEST_ROUGH_MS) return roughTimers.after(ms - ROUGH_MS, passed);
  const timer = setTimeout(passed, ms);
  return { cancel: () => clearTimeout(timer) };
}
