// Transactions that have passed in the stream lately. A commit is there before queries see it, for a moment or for as long
// as it waits for a synchronous standby: what is read in between goes back behind what the stream has shown.

/** INV-5: so many are remembered; one that waits while more than that pass is not noticed. */
const MOST = 10_000;
const XIDS = 2 ** 32;

export class PassedTransactions {
  /** When each passed, by its id of 32 bits, in order. */
  readonly #places = new Map<number, number>();
  #last: number | undefined;
  #count = 0;

  /** How many have passed. */
  get count(): number {
    return this.#count;
  }

  /** A row of this transaction passes. */
  passed(xid: number): void {
    if (xid === this.#last) return;
    this.#last = xid;
    this.#places.set(xid, ++this.#count);
    const [oldest] = this.#places.keys();
    if (this.#places.size > MOST && oldest !== undefined) this.#places.delete(oldest);
  }

  /** Of the first `count` that passed, those that a snapshot (`xmin:xmax:xid,...`) does not see. */
  unseen(snapshot: string, count: number): number[] {
    const [, next = '0', running = ''] = snapshot.split(':');
    const xmax = Number(next);
    const open = new Set(running.split(',').map((xid) => Number(xid) % XIDS));
    const isUnseen = (xid: number): boolean => {
      const age = (xmax - xid) % XIDS;
      return open.has(xid) || age <= 0 || age >= XIDS / 2;
    };
    return [...this.#places].flatMap(([xid, place]) => (place <= count && isUnseen(xid) ? [xid] : []));
  }
}
