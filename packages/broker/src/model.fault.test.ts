// Many clients on one broker that is closed, killed and loses power at random moments, against a model in memory
// (testing/model). A seed repeats the choices, not the timing: `MILLRACE_SEED=N`, and `MILLRACE_ROUNDS` for longer.
import { expect, test } from 'vitest';
import { type Host, MemoryHost, ProcessHost } from './testing/model/hosts.ts';
import { runModel } from './testing/model/run-model.ts';
import { seededRandom } from './testing/test-log.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const isLong = process.env['MILLRACE_TEST_MODE'] === 'faults';
const SEEDS = Array.from({ length: isLong ? 40 : 2 }, (_, i) => SEED + i);
const ROUNDS = isLong ? 20 : 8;

/** What must have happened in long runs together, for them to say anything; short ones have not time for all. */
const EXPECTED = [
  'acknowledged batches',
  'retried batches',
  'repeated batches',
  'refused gaps',
  'acks=1 batches',
  'commits',
  'aborts',
  'fenced',
  'transactional commits',
  'transactions gone on with after a restart',
  'commits of offsets',
  'commits of members',
  'generations synced',
  'topics created',
  'topics deleted',
  'reads',
  'trims',
];

async function run(makeHost: (random: () => number) => Host, seeds: readonly number[], rounds: number) {
  const counts = new Map<string, number>();
  for (const seed of seeds) {
    await using host = makeHost(seededRandom(seed + 1_000_000));
    try {
      const found = await runModel(host, { seed, rounds, turns: 1500 });
      for (const [what, count] of found) counts.set(what, (counts.get(what) ?? 0) + count);
    } catch (error) {
      throw new Error(`MILLRACE_SEED=${seed}: ${String(error)}`, { cause: error });
    }
  }
  for (const what of isLong ? EXPECTED : ['acknowledged batches'])
    expect(counts.get(what) ?? 0, what).toBeGreaterThan(0);
}

test(`INV-12: a broker that is closed, killed and loses power keeps what it said (seed ${SEED})`, async () => {
  await run((random) => new MemoryHost(random), SEEDS, ROUNDS);
}, 1_200_000);

test(`INV-12: a broker process that is killed keeps what it said (seed ${SEED})`, async () => {
  await run(() => new ProcessHost(), SEEDS.slice(0, isLong ? 10 : 1), ROUNDS);
}, 1_200_000);
