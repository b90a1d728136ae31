// Chance that can be repeated: MILLRACE_TEST_SEED=N gives every test the same sequence again.

/** Numbers from a seed (mulberry32). */
export class SeededRandom {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }
}

/** The seed of MILLRACE_TEST_SEED or a new one, printed so that a failure can be repeated. */
export function testRandom(what: string): SeededRandom {
  const given = process.env['MILLRACE_TEST_SEED'];
  const seed = given === undefined ? Date.now() % 1_000_000_000 : Number(given);
  process.stderr.write(`${what}: seed ${seed} (repeat with MILLRACE_TEST_SEED=${seed})\n`);
  return new SeededRandom(seed);
}

/** How many rounds a campaign takes: few in `npm test`, all with --faults or --full. */
export function testRounds(standard: number, campaign: number): number {
  return ['faults', 'full'].includes(process.env['MILLRACE_TEST_MODE'] ?? '') ? campaign : standard;
}
