// Where the first change of each subtransaction lies in the spool of its transaction. There may be millions, so that
// they are kept in plain arrays.

const FIRST_ROOM = 16;

export class SubtransactionStarts {
  #xids: Uint32Array = new Uint32Array(FIRST_ROOM);
  #starts: Float64Array = new Float64Array(FIRST_ROOM);
  #count = 0;
  #last = -1;
  readonly #known = new Set<number>();

  get count(): number {
    return this.#count;
  }

  /** A change of `xid` comes to lie at `position`. Positions grow. */
  seen(xid: number, position: number): void {
    if (xid === this.#last || this.#known.has(xid)) {
      this.#last = xid;
      return;
    }
    this.#last = xid;
    this.#known.add(xid);
    if (this.#count === this.#xids.length) this.#grow();
    this.#xids[this.#count] = xid;
    this.#starts[this.#count] = position;
    this.#count++;
  }

  /** Where `xid` begins; it and all after it are forgotten. Undefined when nothing of it is known. */
  cut(xid: number): number | undefined {
    if (!this.#known.has(xid)) return undefined;
    // What is rolled back is mostly what came last.
    let at = this.#count - 1;
    while (this.#xids[at] !== xid) this.#known.delete(this.#xids[at--] ?? 0);
    this.#known.delete(xid);
    this.#count = at;
    this.#last = -1;
    return this.#starts[at];
  }

  #grow(): void {
    const xids = new Uint32Array(2 * this.#count);
    const starts = new Float64Array(2 * this.#count);
    xids.set(this.#xids);
    starts.set(this.#starts);
    this.#xids = xids;
    this.#starts = starts;
  }
}
