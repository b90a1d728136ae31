// INV-7: finds out that a task makes no progress, and says which stage it is in, for how long and why. It looks at what
// the task is doing once a second and remembers since when that is the same, so the task itself takes no time.
import type { TaskActivity } from '@millrace/connect-api';
import { type Clock, javaTrace, type Logger, messageOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';

export interface StallWatchOptions {
  /** What the task is doing, by strand; of two that stand still the first is the cause. */
  readonly activities: readonly (() => TaskActivity | null)[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** `task.stall.timeout.ms` */
  readonly stallTimeoutMs: number;
  /** Shows what is wrong, or that nothing is any more. */
  readonly show: (trace: string | undefined) => void;
}

/** What stands still. */
interface Standing {
  readonly activity: TaskActivity;
  readonly sinceMs: number;
  /** Since when attempts fail. */
  readonly failingSinceMs: number | undefined;
}

/** A known cause is shown after so long, although it may pass. */
const FAILING_MS = 2_000;
const LOOK_MS = 1_000;
const HINT =
  'Look at the log and at what this stage waits for; POST /connectors/NAME/restart?includeTasks=true starts the task anew.';

export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #standing: (Standing | undefined)[] = [];
  /** What was shown last: its text without times, and how long it had lasted. */
  #shown: { readonly key: string; readonly elapsedMs: number } | undefined;
  #beganMs = 0;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  /** Whether something is shown. */
  get stalled(): boolean {
    return this.#shown !== undefined;
  }

  /** Looks again and again until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, stallTimeoutMs } = this.#options;
    const everyMs = Math.max(10, Math.min(LOOK_MS, stallTimeoutMs / 5));
    while (!signal.aborted) {
      await clock.sleepRoughly(everyMs, signal);
      if (!signal.aborted) this.look();
    }
  }

  /** Compares what the task is doing with the last look. */
  look(): void {
    const { activities, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    let found: Standing | undefined;
    for (let strand = 0; strand < activities.length; strand++) {
      const standing = after(this.#standing[strand], activities[strand]?.() ?? null, nowMs);
      this.#standing[strand] = standing;
      if (standing !== undefined && this.#isStalled(standing, nowMs)) found ??= standing;
    }
    if (found !== undefined) this.#stalled(found, nowMs);
    else if (this.#shown !== undefined) this.#goesOn(nowMs);
  }

  #isStalled({ sinceMs, failingSinceMs }: Standing, nowMs: number): boolean {
    const { stallTimeoutMs } = this.#options;
    if (nowMs - sinceMs >= stallTimeoutMs) return true;
    return failingSinceMs !== undefined && nowMs - failingSinceMs >= Math.min(FAILING_MS, stallTimeoutMs);
  }

  #stalled(standing: Standing, nowMs: number): void {
    const { logger, show, clock } = this.#options;
    const { activity, sinceMs } = standing;
    const { stage, error } = activity;
    const elapsedMs = nowMs - sinceMs;
    const begins = this.#shown === undefined;
    if (begins) {
      this.#beganMs = sinceMs;
      logger.warn({ err: error, stage, ms: Math.round(elapsedMs) }, 'the task makes no progress');
    }
    // A state is a record in a topic: it is written again when the cause is another, or has lasted twice as long.
    const key = `${stage} ${error === undefined ? '' : messageOf(error)}`;
    if (this.#shown?.key === key && elapsedMs < 2 * this.#shown.elapsedMs) return;
    this.#shown = { key, elapsedMs };
    show(javaTrace(stallError(activity, elapsedMs, clock.nowMs() - elapsedMs)));
  }

  #goesOn(nowMs: number): void {
    const { logger, show } = this.#options;
    this.#shown = undefined;
    logger.info({ ms: Math.round(nowMs - this.#beganMs) }, 'the task makes progress again');
    show(undefined);
  }
}

/** What is known of a strand after another look. */
function after(
  last: Standing | undefined,
  activity: TaskActivity | null,
  nowMs: number,
): Standing | undefined {
  if (activity === null) return undefined;
  const same = last?.activity.stage === activity.stage && last.activity.progress === activity.progress;
  const failing = activity.error === undefined ? undefined : nowMs;
  if (!same) {
    return { activity, sinceMs: Math.min(nowMs, activity.sinceMs ?? nowMs), failingSinceMs: failing };
  }
  const failingSinceMs = failing === undefined ? undefined : (last.failingSinceMs ?? failing);
  return { activity, sinceMs: last.sinceMs, failingSinceMs };
}

function stallError(activity: TaskActivity, elapsedMs: number, sinceMs: number): Error {
  const { stage, error, hint = HINT } = activity;
  const since = new Date(sinceMs).toISOString();
  const why = error === undefined ? '' : `: ${messageOf(error)}`;
  const message = `No progress for ${Math.round(elapsedMs / 1000)} s (since ${since}) while ${stage}${why}`;
  return connectError('connect.task_stalled', message, { hint, cause: error });
}
