// The life of a process that serves: runs until a signal or a failure, then closes what it started, within a deadline.
import { errorLines, exitCodeOf } from './process-errors.ts';

const CLOSE_DEADLINE_MS = 20_000;
/** What closing takes besides the tasks. */
const BESIDE_TASKS_MS = 10_000;

/** For what is logged last to be read. */
const LAST_LINES_MS = 1000;

/** What a command started, closed in reverse order. */
export class RunningParts {
  readonly #closers: (() => Promise<void>)[] = [];
  #ending: Promise<void> | undefined;
  #deadlineMs = CLOSE_DEADLINE_MS;

  /** Tasks may take so long to end: the process waits for them, and does not end in the middle. */
  allowForTasks(ms: number): void {
    this.#deadlineMs = Math.max(CLOSE_DEADLINE_MS, ms + BESIDE_TASKS_MS);
  }

  onClose(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /** Ends the process on SIGINT and SIGTERM; a second signal ends it at once. */
  endOnSignals(): void {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (this.#ending) process.exit(130);
        void this.end(0);
      });
    }
  }

  /** Reports why the process cannot go on, and ends it. */
  fail(what: string, error: unknown): void {
    process.stderr.write(errorLines(what, error));
    void this.end(exitCodeOf(error));
  }

  /** Closes everything and exits. Delivery knows no deadline, ending does: what is left undone is done after a restart. */
  end(exitCode: number): Promise<void> {
    this.#ending ??= this.#end(exitCode);
    return this.#ending;
  }

  async #end(exitCode: number): Promise<void> {
    const timer = setTimeout(() => process.exit(exitCode === 0 ? 1 : exitCode), this.#deadlineMs);
    timer.unref();
    await this.close();
    // What is logged last is on its way where the reader is slow.
    process.stderr.write('', () => process.exit(exitCode));
    setTimeout(() => process.exit(exitCode), LAST_LINES_MS);
  }

  /** Closes everything in reverse order; what fails to close is reported and does not keep the rest open. */
  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        process.stderr.write(errorLines('A part did not stop cleanly.', error));
      }
    }
  }
}
