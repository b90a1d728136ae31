import { type Headers, SourceRecord, type Transformation } from '@millrace/connect-api';
import { STRING } from '@millrace/data';
import { MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { type BatchRun, type OpenBatch, RECORD_OVERHEAD } from '@millrace/kafka-client';
import { BatchBuilder, readRecords } from '@millrace/kafka-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { ErrorHandler, errorSettings } from './error-handling.ts';
import { RecordSender } from './record-sender.ts';
import { SubmittedRecords } from './submitted-records.ts';
import { TransformationChain } from './transformation-chain.ts';

interface Appended {
  readonly topic: string;
  readonly value: string | null;
  readonly headers: readonly string[];
  readonly token: number;
}

const partition = { server: 'shop' };
const record = (value: string, extra: { topic?: string; headers?: Headers } = {}): SourceRecord =>
  new SourceRecord({
    sourcePartition: partition,
    sourceOffset: { at: value },
    topic: extra.topic ?? 't',
    valueSchema: STRING,
    value,
    ...(extra.headers ? { headers: extra.headers } : {}),
  });

class Fixture {
  readonly appended: Appended[] = [];
  readonly submitted = new SubmittedRecords();
  readonly prepared: string[] = [];
  /** What each record was appended from. */
  readonly sources: Uint8Array[] = [];
  headerWrites = 0;
  /** How many records the producer takes before it says that it is full. */
  room = Number.POSITIVE_INFINITY;
  readonly sender: RecordSender;

  constructor(options: { transform?: Transformation; tolerance?: string } = {}) {
    const text = {
      configure: () => undefined,
      write: (_t: string, _h: Headers, _s: unknown, value: unknown, out: { utf8(text: string): void }) => {
        if (value === null) return false;
        if (value === 'unwritable') throw new MillraceError('connect.data', 'no');
        out.utf8(String(value));
        return true;
      },
      read: () => ({ schema: null, value: null }),
    };
    const step = options.transform;
    this.sender = new RecordSender({
      chain: new TransformationChain(
        step ? [{ alias: 'a', className: 'A', transformation: step, predicate: null, negate: false }] : [],
      ),
      converters: {
        key: text,
        value: text,
        header: {
          configure: () => undefined,
          writeHeader: (_t, _k, _s, value) => {
            this.headerWrites++;
            return Buffer.from(String(value));
          },
          readHeader: () => ({ schema: null, value: null }),
        },
        classNames: { key: 'K', value: 'V', header: 'H' },
      },
      errors: new ErrorHandler(errorSettings({ 'errors.tolerance': options.tolerance ?? 'none' }), {
        clock: systemClock,
        logger: silentLogger,
      }),
      producer: {
        append: (topic, _p, _ts, source, _ks, _ke, valueStart, valueEnd, headers, token) => {
          if (this.room <= 0) return false;
          this.room--;
          this.sources.push(source);
          const value = valueStart < 0 ? null : Buffer.from(source.subarray(valueStart, valueEnd)).toString();
          this.appended.push({ topic, value, headers: (headers ?? []).map((h) => String(h.value)), token });
          return true;
        },
        ready: () => {
          this.room = 2;
          return Promise.resolve();
        },
        openBatch: () => this.batch,
        beginRun: () => this.run,
      },
      submitted: this.submitted,
      clock: systemClock,
      prepareTopic: (topic) => {
        this.prepared.push(topic);
        return Promise.resolve();
      },
      commit: () => Promise.resolve(),
    });
  }
  /** The batch that records are written into, if any. */
  batch: OpenBatch | undefined;
  /** What a run goes into, if there may be one. */
  run: BatchRun | undefined;

  send(...records: SourceRecord[]): Promise<void> {
    return this.sender.send({ records }, new AbortController().signal);
  }
}

describe('RecordSender', () => {
  it('INV-2: keeps the order of records over topics to prepare and a full producer', async () => {
    const fixture = new Fixture();
    fixture.room = 3;
    const values = Array.from({ length: 20 }, (_, i) => String(i));
    await fixture.send(...values.map((value, i) => record(value, { topic: i % 3 === 0 ? 'a' : 'b' })));
    expect(fixture.appended.map(({ value }) => value)).toEqual(values);
    expect(fixture.prepared).toEqual(['a', 'b']);
    expect(fixture.submitted.pending).toBe(20);
  });

  it('lets in what waits, acknowledgements above all, within a long batch', async () => {
    const fixture = new Fixture();
    let before = -1;
    setImmediate(() => {
      before = fixture.appended.length;
    });
    await fixture.send(...Array.from({ length: 3000 }, (_, i) => record(String(i))));
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(3000);
    expect(fixture.appended.map(({ token }) => token)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it('writes a record into the open batch where there is room, else beside it', async () => {
    const fixture = new Fixture();
    const memory = Buffer.alloc(32 * 1024);
    fixture.batch = { draftStart: 100, draftGap: 2, capacity: memory.length, memory: () => memory };
    const values = ['small', 'x'.repeat(100_000), 'again'];
    await fixture.send(...values.map((value) => record(value)));
    expect(fixture.appended.map(({ value }) => value)).toEqual(values);
    expect(fixture.sources.map((source) => source === memory)).toEqual([true, false, false]);
  });

  describe('with an open batch that takes runs', () => {
    const builder = new BatchBuilder({ maxBytes: 1e6, initialBytes: 256 * 1024 });
    const tokens: number[] = [];
    const ended: number[] = [];
    const run = (roomBytes: number): BatchRun => ({
      batch: builder,
      tokens,
      roomBytes,
      end: (bytes) => ended.push(bytes),
    });
    const written = (): string[] => {
      const seal = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false };
      return readRecords(builder.finish(seal), 0).map(({ value }) => String(value));
    };
    beforeEach(() => {
      builder.reset();
      tokens.length = 0;
      ended.length = 0;
    });

    it('INV-2: sends in a run what is like the record before, and the rest one by one, in order', async () => {
      const fixture = new Fixture();
      await fixture.send(record('first'));
      fixture.run = run(1e6);
      await fixture.send(record('1'), record('22'), record('elsewhere', { topic: 'u' }), record('after'));
      expect(written()).toEqual(['1', '22']);
      expect(fixture.appended.map(({ value }) => value)).toEqual(['first', 'elsewhere', 'after']);
      expect(fixture.appended.map(({ token }) => token)).toEqual([0, 3, 4]);
      expect(tokens).toEqual([1, 2]);
      expect(ended[0]).toBe('122'.length + 2 * RECORD_OVERHEAD);
    });

    it('INV-5: takes no more than there is room for', async () => {
      const fixture = new Fixture();
      await fixture.send(record('first'));
      fixture.run = run(2 * RECORD_OVERHEAD + 5);
      await fixture.send(record('aaa'), record('bb'), record('c'));
      expect(written()).toEqual(['aaa', 'bb']);
      expect(fixture.appended.map(({ value }) => value)).toEqual(['first', 'c']);
    });

    it('INV-1: passes by one that cannot be converted and sends those around it', async () => {
      const fixture = new Fixture({ tolerance: 'all' });
      await fixture.send(record('first'));
      fixture.run = run(1e6);
      await fixture.send(record('1'), record('unwritable'), record('3'));
      expect(written()).toEqual(['1', '3']);
      expect(ended).toEqual([1 + RECORD_OVERHEAD, 1 + RECORD_OVERHEAD]);
      fixture.submitted.acknowledgeAll([0, ...tokens]);
      expect(fixture.submitted.takeCommittable().map(({ offset }) => offset)).toEqual([{ at: '3' }]);
    });
  });

  it('converts a headers array once however many records share it', async () => {
    const fixture = new Fixture();
    const headers = [{ key: 'h', schema: STRING, value: 'x' }];
    await fixture.send(record('1', { headers }), record('2', { headers }), record('3', { headers }));
    expect(fixture.headerWrites).toBe(1);
    expect(fixture.appended.map((a) => a.headers)).toEqual([['x'], ['x'], ['x']]);
  });

  it('INV-1: counts a dropped record as acknowledged, but only after those before it', async () => {
    const fixture = new Fixture({
      transform: { configure: () => undefined, apply: (r) => (r.value === 'drop' ? null : r) },
    });
    await fixture.send(record('keep'), record('drop'));
    expect(fixture.submitted.takeCommittable()).toEqual([]);
    fixture.submitted.acknowledge(fixture.appended[0]?.token ?? -1);
    expect(fixture.submitted.takeCommittable()).toEqual([{ partition, offset: { at: 'drop' } }]);
  });

  it('INV-1: holds a position back until the records before it are acknowledged', async () => {
    const fixture = new Fixture();
    const signal = new AbortController().signal;
    await fixture.sender.send(
      { records: [record('1')], position: { partition, offset: { at: 'commit' } } },
      signal,
    );
    expect(fixture.submitted.takeCommittable()).toEqual([]);
    fixture.submitted.acknowledge(fixture.appended[0]?.token ?? -1);
    expect(fixture.submitted.takeCommittable()).toEqual([{ partition, offset: { at: 'commit' } }]);
  });

  it('INV-4: fails on a record that cannot be written', async () => {
    const fixture = new Fixture();
    await expect(fixture.send(record('1'), record('unwritable'), record('3'))).rejects.toMatchObject({
      code: 'connect.tolerance_exceeded',
    });
    expect(fixture.appended.map(({ value }) => value)).toEqual(['1']);
  });

  it('passes by a record that cannot be written where that is tolerated', async () => {
    const fixture = new Fixture({ tolerance: 'all' });
    await fixture.send(record('1'), record('unwritable'), record('3'));
    expect(fixture.appended.map(({ value }) => value)).toEqual(['1', '3']);
    expect(fixture.submitted.pending).toBe(2);
  });

  it('makes no topic for records that cannot be written', async () => {
    const fixture = new Fixture({ tolerance: 'all' });
    await fixture.send(record('unwritable'), record('unwritable'));
    expect(fixture.prepared).toEqual([]);
    await fixture.send(record('1'));
    expect(fixture.prepared).toEqual(['t']);
    expect(fixture.appended.map(({ value }) => value)).toEqual(['1']);
  });
});
