// The transactions of one partition that hold back its last stable offset: those without a marker, and those whose
// marker lies at or above the high watermark, which a crash may take back.

interface CompletedTransaction {
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export class OpenTransactions {
  /** First offset -> producer id; offsets only rise, so that the first entry is the oldest. */
  readonly #ongoing = new Map<number, number>();
  /** By rising offset of the marker. */
  #completing: CompletedTransaction[] = [];

  /** A producer's transaction begins; `firstOffset` is above that of every other one. */
  begin(firstOffset: number, producerId: number): void {
    this.#ongoing.set(firstOffset, producerId);
  }

  /** Its marker lies at `lastOffset`. Returns the last stable offset once that is below the high watermark. */
  end(firstOffset: number, lastOffset: number): number {
    this.#ongoing.delete(firstOffset);
    this.#completing.push({ firstOffset, lastOffset });
    return this.#oldestOngoing() ?? lastOffset + 1;
  }

  /** Everything below `highWatermark` is safe now. */
  settle(highWatermark: number): void {
    if ((this.#completing[0]?.lastOffset ?? highWatermark) >= highWatermark) return;
    this.#completing = this.#completing.filter(({ lastOffset }) => lastOffset >= highWatermark);
  }

  /** Where what may still be undecided begins; undefined when nothing is. */
  firstUnstable(): number | undefined {
    let first = this.#oldestOngoing();
    for (const { firstOffset } of this.#completing) {
      if (first === undefined || firstOffset < first) first = firstOffset;
    }
    return first;
  }

  #oldestOngoing(): number | undefined {
    return this.#ongoing.keys().next().value;
  }
}
