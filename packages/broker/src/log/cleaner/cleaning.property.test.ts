// What cleaning must never change, over random histories: plain, idempotent and transactional writes in all codecs,
// cleanings at random times, kills and restarts; and over a crash at every step of an exchange.
import { appendRecord, BatchBuilder, type Compression, readBatchHeader } from '@millrace/kafka-protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cleanLogs, consumed, finalValues, readBatches } from '../../testing/clean-log.ts';
import { MemoryDisk } from '../../testing/memory-disk.ts';
import { openTestLogs, seededRandom, type TestLogs } from '../../testing/test-log.ts';
import { markerBatch } from '../control-batch.ts';
import type { LogConfig } from '../log-config.ts';
import type { PartitionLog } from '../partition-log.ts';

const T0 = 1_700_000_000_000;
const DAY = 86_400_000;
const CONFIG: Partial<LogConfig> = {
  compacted: true,
  deletes: false,
  segmentBytes: 600,
  minCleanableRatio: 0,
  deleteRetentionMs: 10 * DAY,
};
const FOLDER = '/data/log/t-0';

interface Written {
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
}

const KEYS: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f'];
const records = fc.array(
  fc.record({ key: fc.constantFrom(...KEYS), deletes: fc.boolean(), size: fc.nat(60) }),
  { minLength: 1, maxLength: 4 },
);
const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('write' as const),
      records,
      codec: fc.constantFrom<Compression>('none', 'gzip', 'snappy', 'lz4'),
      producer: fc.constantFrom(-1, 1, 2),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('transaction' as const),
      records,
      producer: fc.constantFrom(3, 4),
      commits: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('clean' as const), laterMs: fc.nat(DAY / 8) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('kill' as const), snapshots: fc.boolean() }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** One history of a log, with what each offset held. */
class History {
  disk = new MemoryDisk();
  readonly written = new Map<number, Written>();
  readonly committed = new Map<string, { value: string | null; offset: number }>();
  nowMs = T0 + DAY;
  /** Whether cleanings come late enough for tombstones to go. */
  #tombstonesGo = false;
  #logs: TestLogs | undefined;
  #log: PartitionLog | undefined;
  readonly #sequences = new Map<number, number>();

  get log(): PartitionLog {
    if (!this.#log) throw new Error('not open');
    return this.#log;
  }

  async open(config: Partial<LogConfig> = {}): Promise<this> {
    this.#logs = await openTestLogs(this.disk);
    this.#log = await this.#logs.open({ ...CONFIG, ...config });
    this.#tombstonesGo = config.deleteRetentionMs === 0;
    return this;
  }

  async run(step: Operation): Promise<void> {
    if (step.op === 'write') await this.write(step.records, step.codec, step.producer, false);
    else if (step.op === 'transaction') await this.#transaction(step);
    else if (step.op === 'clean') await this.clean(step.laterMs);
    else await this.kill(step.snapshots);
  }

  async write(
    items: readonly { key: string; deletes: boolean; size: number }[],
    compression: Compression,
    producerId: number,
    transactional: boolean,
  ): Promise<void> {
    const builder = new BatchBuilder({ maxBytes: 1 << 20 });
    const base = this.log.endOffset;
    for (const [index, { key, deletes, size }] of items.entries()) {
      const timestamp = T0 + ((base + index) % 7);
      const value = deletes ? null : `${base + index}${'x'.repeat(size)}`;
      appendRecord(builder, {
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp,
      });
      this.written.set(base + index, { key, value, timestamp });
      if (!transactional) this.committed.set(key, { value, offset: base + index });
    }
    const baseSequence = producerId < 0 ? -1 : (this.#sequences.get(producerId) ?? 0);
    this.#sequences.set(producerId, baseSequence + items.length);
    const producerEpoch = producerId < 0 ? -1 : 0;
    const batch = builder.finish({ compression, producerId, producerEpoch, baseSequence, transactional });
    expect(this.log.append(batch, readBatchHeader(batch, 0))).toMatchObject({
      baseOffset: base,
      duplicate: false,
    });
    await this.log.whenDurable(this.log.endOffset - 1);
  }

  async #transaction(step: Operation & { op: 'transaction' }): Promise<void> {
    const base = this.log.endOffset;
    await this.write(step.records, 'none', step.producer, true);
    const marker = { producerId: step.producer, producerEpoch: 0, commit: step.commits, coordinatorEpoch: 0 };
    const batch = markerBatch(marker, T0);
    await this.log.whenDurable(this.log.append(batch, readBatchHeader(batch, 0), 'coordinator').lastOffset);
    if (!step.commits) return;
    for (const [index, { key }] of step.records.entries()) {
      this.committed.set(key, { value: this.written.get(base + index)?.value ?? null, offset: base + index });
    }
  }

  async clean(laterMs: number): Promise<void> {
    this.nowMs += laterMs;
    if (!this.#logs) return;
    const stats = await cleanLogs(this.disk, this.#logs.directory, { nowMs: this.nowMs });
    expect(stats.failures).toBe(0);
    await this.check();
  }

  async kill(snapshots: boolean): Promise<void> {
    const end = this.log.endOffset;
    this.disk = this.disk.afterKill();
    // Without its snapshots a log knows its producers from its batches alone.
    for (const name of snapshots ? [] : this.disk.list(FOLDER)) {
      if (name.endsWith('.snapshot')) this.disk.remove(`${FOLDER}/${name}`);
    }
    await this.open();
    expect(this.log.endOffset).toBe(end);
    await this.check();
  }

  async check(log: PartitionLog = this.log): Promise<void> {
    const seen = consumed(log, await readBatches(log));
    for (const { offset, key, value, timestamp } of seen) {
      const found = { key: String(key), value: value === null ? null : String(value), timestamp };
      expect(found).toEqual(this.written.get(offset));
    }
    const offsets = new Set(seen.map(({ offset }) => offset));
    const expected = new Map<string, string>();
    for (const [key, { value, offset }] of this.committed) {
      if (value !== null) expected.set(key, value);
      if (value !== null || !this.#tombstonesGo) expect(offsets.has(offset)).toBe(true);
    }
    expect(finalValues(seen)).toEqual(expected);
  }
}

test('Of every key the last committed record stays, at its offset and as it was, through cleanings and kills', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 60 }), async (steps) => {
      const history = await new History().open();
      for (const step of steps) await history.run(step);
      await history.clean(0);
      await history.kill(false);
    }),
    { numRuns: 60 },
  );
}, 120_000);

/** Keeps what a crash would find before each change of the folder. */
class WatchedDisk extends MemoryDisk {
  readonly crashes: MemoryDisk[] = [];
  #watching = false;
  readonly #random = seededRandom(20_251_128);

  watch(on: boolean): void {
    this.#watching = on;
  }
  override rename(from: string, to: string): void {
    this.#crash();
    super.rename(from, to);
  }
  override remove(path: string): void {
    this.#crash();
    super.remove(path);
  }
  override async syncDirectory(path: string): Promise<void> {
    this.#crash();
    await super.syncDirectory(path);
    this.#crash();
  }
  #crash(): void {
    if (!this.#watching) return;
    this.crashes.push(
      this.afterKill(),
      this.afterPowerCut(() => 0),
      this.afterPowerCut(this.#random),
    );
  }
}

for (const deleteRetentionMs of [0, DAY]) {
  const what = deleteRetentionMs === 0 ? 'while tombstones go' : 'while tombstones stay';
  test(`INV-4: a crash at any step of a cleaning loses nothing and brings nothing back, ${what}`, async () => {
    const history = new History();
    const disk = new WatchedDisk();
    history.disk = disk;
    await history.open({ deleteRetentionMs });
    const random = seededRandom(7 + deleteRetentionMs);
    const write = async (): Promise<void> => {
      const key = KEYS[Math.floor(random() * KEYS.length)] ?? 'a';
      await history.write([{ key, deletes: random() < 0.5, size: 30 }], 'none', 1, false);
    };
    for (let i = 0; i < 30; i++) await write();
    await history.clean(0);
    for (let i = 0; i < 12; i++) await write();
    disk.watch(true);
    await history.clean(1);
    disk.watch(false);
    const end = history.log.endOffset;
    expect(disk.crashes.length).toBeGreaterThan(100);
    for (const crash of disk.crashes) {
      const logs = await openTestLogs(crash);
      const log = await logs.open({ ...CONFIG, deleteRetentionMs });
      expect(log.endOffset).toBe(end);
      await history.check(log);
      expect(crash.list(FOLDER).filter((name) => /\.(swap|cleaned|deleted)$/.test(name))).toEqual([]);
      expect((await cleanLogs(crash, logs.directory, { nowMs: history.nowMs })).failures).toBe(0);
      await history.check(log);
    }
  }, 120_000);
}
