// Who has done something that is kept elsewhere, such as the place of a signal in its topic, waits here until what came of
// it is stored: a mark that was handed out afterwards, when nothing was left to hand out before it.
import type { OffsetMap } from '@millrace/connect-api';
import type { MarkOffset } from './offset.ts';

interface Covering {
  readonly mark: MarkOffset;
  /** Those who wait for it or a later one. */
  readonly waiting: readonly (() => void)[];
}

/** A busy stream hands out hundreds between two flushes of offsets. */
const MOST_MARKS = 1000;

export class StoredMarks {
  #waiting: (() => void)[] = [];
  /** In the order they were handed out. */
  #covering: Covering[] = [];

  /** Whether somebody waits for which there is no mark yet. */
  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves once all that was made so far is stored. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  handedOut(mark: MarkOffset): void {
    if (this.#waiting.length === 0 && this.#covering.length === 0) return;
    this.#covering.push({ mark, waiting: this.#waiting });
    this.#waiting = [];
    if (this.#covering.length <= MOST_MARKS) return;
    // INV-5: whoever waited for the oldest waits for the next one.
    const [oldest, next, ...others] = this.#covering;
    if (oldest && next)
      this.#covering = [{ mark: next.mark, waiting: [...oldest.waiting, ...next.waiting] }, ...others];
  }

  stored(map: OffsetMap): void {
    const last = this.#covering.findIndex(({ mark }) => mark.isStoredAs(map));
    for (const { waiting } of this.#covering.splice(0, last + 1)) for (const resolve of waiting) resolve();
  }
}
