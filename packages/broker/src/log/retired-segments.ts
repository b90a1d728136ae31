// Segments that are no part of their log any more. Their files are renamed at once, so that no start finds them, and
// removed a while later (file.delete.delay.ms), since somebody may be reading them.
import type { Segment } from './segment.ts';

/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 2_147_483_647;

export class RetiredSegments {
  readonly #waiting = new Map<Segment, NodeJS.Timeout>();
  readonly #onError: (error: unknown) => void;

  /** `onError` is told of files that could not be removed; the next start removes them. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  retire(segment: Segment, delayMs: number): void {
    segment.retire();
    const timer = setTimeout(() => this.#remove(segment), Math.min(delayMs, MAX_TIMER_MS));
    timer.unref();
    this.#waiting.set(segment, timer);
  }

  /** Removes the files now. */
  close(): void {
    for (const segment of this.#waiting.keys()) this.#remove(segment);
  }

  #remove(segment: Segment): void {
    clearTimeout(this.#waiting.get(segment));
    this.#waiting.delete(segment);
    try {
      segment.remove();
    } catch (error) {
      this.#onError(error);
    }
  }
}
