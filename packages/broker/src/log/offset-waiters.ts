// Who waits until a log has reached an offset.

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Those who wait for one kind of progress. */
export class OffsetWaiters {
  #waiters: Waiter[] = [];

  /** Resolves once the record at `offset` was passed. */
  wait(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ offset, resolve, reject });
    });
  }

  /** Everything below `offset` is done. */
  resolveUpTo(offset: number): void {
    // They stand in the order of their offsets, but for duplicates, which may wait for an older one.
    const waiters = this.#waiters;
    let kept = 0;
    for (const waiter of waiters) {
      if (waiter.offset < offset) waiter.resolve();
      else waiters[kept++] = waiter;
    }
    waiters.length = kept;
  }

  /** What lies at or behind `from` will not come. */
  reject(error: Error, from: number = 0): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ offset }) => offset < from);
    for (const waiter of waiters) if (waiter.offset >= from) waiter.reject(error);
  }
}
