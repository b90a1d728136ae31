// Until when this worker may be sure that the group gives its work to nobody else: a session time after it has said so,
// measured from before it did. Tasks write nothing past it, whatever has held this process up (INV-2): a worker that
// was stopped and goes on asks its own clocks before it has heard from the group. Shared by all threads of the process.

/** The lease, as it crosses thread borders. */
export type SharedLease = SharedArrayBuffer;

const MONOTONIC = 0;
const WALL = 1;
const NEVER = 2n ** 63n - 1n;

/** When a lease ends, in nanoseconds of both clocks, as it crosses process borders. */
export interface LeaseEnds {
  readonly monotonicNs: bigint;
  readonly wallNs: bigint;
}

export class Lease {
  readonly shared: SharedLease;
  /** Told whenever the end changes here: those who share the lease but not the memory. */
  readonly #followers = new Set<(ends: LeaseEnds) => void>();
  /** When it ends, in nanoseconds of the clock that never goes back, and of the wall clock, which a suspended machine keeps. */
  readonly #ends: BigInt64Array;

  constructor(shared: SharedLease = new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#ends = new BigInt64Array(shared);
  }

  /** Notes the time before the group is told; calling the result, once it has answered, extends the lease by `ms`. */
  mark(ms: number): () => void {
    const length = BigInt(ms) * 1_000_000n;
    const ends = [process.hrtime.bigint() + length, wallNs() + length] as const;
    return () => this.set({ monotonicNs: ends[MONOTONIC], wallNs: ends[WALL] });
  }

  set({ monotonicNs, wallNs }: LeaseEnds): void {
    Atomics.store(this.#ends, MONOTONIC, monotonicNs);
    Atomics.store(this.#ends, WALL, wallNs);
    this.#tell();
  }

  get ends(): LeaseEnds {
    return { monotonicNs: Atomics.load(this.#ends, MONOTONIC), wallNs: Atomics.load(this.#ends, WALL) };
  }

  /** Calls back with each new end; the result ends that. */
  follow(follower: (ends: LeaseEnds) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  #tell(): void {
    for (const follower of this.#followers) follower(this.ends);
  }

  /** Never ends: a worker without a group is sure of its work. */
  keep(): void {
    this.set({ monotonicNs: NEVER, wallNs: NEVER });
  }

  /** Ends it now: the group has said that this worker is no member. */
  end(): void {
    Atomics.store(this.#ends, MONOTONIC, 0n);
    this.#tell();
  }

  get valid(): boolean {
    return (
      Atomics.load(this.#ends, MONOTONIC) > process.hrtime.bigint() &&
      Atomics.load(this.#ends, WALL) > wallNs()
    );
  }
}

function wallNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
