// What the differential takes for equal around a transaction that altered a table, and what it does not.
import { describe, expect, test } from 'vitest';
import type { TailRecord } from '../topic-tail.ts';
import { type Side, TopicComparison } from './comparison.ts';
import type { ColumnLayout, Layout } from './layouts.ts';

const XID = 7;
const ALTERED_AT = 200n;
const required: ColumnLayout = { notNull: true, default: undefined };
const optional: ColumnLayout = { notNull: false, default: undefined };

function layout(key: string, columns: Record<string, ColumnLayout>): Layout {
  return { keys: [key], uniqueKeys: [], columns: new Map(Object.entries({ [key]: required, ...columns })) };
}

interface Change {
  readonly key: object | null;
  readonly op: string;
  readonly lsn: number;
  readonly before?: object;
  readonly after?: object;
}

const NO_RECORD: TailRecord = {
  topic: 'p.public.t',
  partition: 0,
  partitions: 1,
  offset: 0,
  timestamp: 0,
  key: null,
  value: null,
  headers: [],
};

class Subject {
  readonly comparison: TopicComparison;
  readonly #ends: Record<Side, number> = { debezium: 0, millrace: 0 };

  /** The key is renamed, `a` may be null afterwards. */
  constructor(skipped: readonly string[] = []) {
    this.comparison = new TopicComparison(() => undefined, skipped);
    this.comparison.altered(XID, {
      lsn: ALTERED_AT,
      before: new Map([['t', layout('id', { a: required, b: optional })]]),
      after: new Map([['t', layout('number', { a: optional, b: optional })]]),
    });
  }

  add(side: Side, { key, op, lsn, before, after }: Change): this {
    const value = { before: before ?? null, after: after ?? null, source: { txId: XID, lsn }, op };
    const record: TailRecord = {
      ...NO_RECORD,
      offset: this.#ends[side]++,
      key: key === null ? null : Buffer.from(JSON.stringify(key)),
      value: Buffer.from(JSON.stringify(value)),
    };
    this.comparison.add(side, [record]);
    return this;
  }

  /** How many values differ, and how many do on purpose. */
  get counts(): readonly [number, number] {
    const { comparison } = this;
    comparison.end();
    const different = comparison.differences.reduce((sum, { count }) => sum + count, 0);
    return [different, [...comparison.onPurpose.values()].reduce((sum, count) => sum + count, 0)];
  }
}

test('rows before a change that left the columns may be shown by the layout of afterwards', () => {
  const comparison = new TopicComparison(() => undefined);
  const alteration = (b: ColumnLayout): Layout => layout('id', { a: required, b });
  comparison.altered(XID, {
    lsn: ALTERED_AT,
    before: new Map([['t', alteration(required)]]),
    after: new Map([['t', alteration(optional)]]),
  });
  const add = (side: Side, isOptional: boolean): void => {
    const value = {
      schema: { fields: [{ field: 'after', fields: [{ field: 'b', optional: isOptional }] }] },
      payload: { before: null, after: { b: 1 }, source: { txId: XID, lsn: 150 }, op: 'c' },
    };
    comparison.add(side, [{ ...NO_RECORD, value: Buffer.from(JSON.stringify(value)) }]);
  };
  add('debezium', false);
  add('millrace', true);
  expect(comparison.differences).toEqual([]);
  expect([...comparison.onPurpose.values()]).toEqual([1]);
});

describe('rows that a transaction wrote before it altered their table', () => {
  const row = { id: 1, a: 0, b: 'x' };
  const ours: Change = { key: { id: 1 }, op: 'd', lsn: 150, before: row };

  test('may lack the renamed key and show a column that was required as null', () => {
    const theirs: Change = { ...ours, key: null, before: { ...row, a: null } };
    expect(new Subject().add('debezium', theirs).add('millrace', ours).counts).toEqual([0, 2]);
  });

  test('have the values of the columns that did not change', () => {
    const theirs: Change = { ...ours, key: null, before: { ...row, b: 'y' } };
    expect(new Subject().add('debezium', theirs).add('millrace', ours).counts).toEqual([1, 1]);
  });

  test('have values that are there, also of a column that changed', () => {
    const theirs: Change = { ...ours, before: { ...row, a: 5 } };
    expect(new Subject().add('debezium', theirs).add('millrace', ours).counts).toEqual([1, 0]);
  });

  test('have the key of then in Millrace', () => {
    const wrong: Change = { ...ours, key: { b: 'x' } };
    expect(new Subject().add('debezium', { ...ours, key: null }).add('millrace', wrong).counts).toEqual([
      1, 0,
    ]);
  });

  test('may be updated where Millrace moves the key', () => {
    const moved = { ...row, id: 2 };
    const subject = new Subject()
      .add('debezium', { key: null, op: 'u', lsn: 150, before: row, after: moved })
      .add('millrace', ours)
      .add('millrace', { key: { id: 2 }, op: 'c', lsn: 150, after: moved });
    expect(subject.counts).toEqual([0, 2]);
  });

  test('may make the counts of their transaction differ by the changes of keys, and by no more', () => {
    const end = (side: Side, count: number): TailRecord[] => {
      const value = { status: 'END', id: `${XID}:300`, event_count: count };
      const offset = ends[side]++;
      return [{ ...NO_RECORD, topic: 'p.transaction', offset, value: Buffer.from(JSON.stringify(value)) }];
    };
    const ends: Record<Side, number> = { debezium: 0, millrace: 0 };
    const subject = new Subject();
    for (const [theirs, our] of [
      [1, 2],
      [1, 3],
    ] as const) {
      subject.comparison.add('debezium', end('debezium', theirs));
      subject.comparison.add('millrace', end('millrace', our));
    }
    subject
      .add('debezium', { key: null, op: 'u', lsn: 150, before: row, after: { ...row, id: 2 } })
      .add('millrace', ours)
      .add('millrace', { key: { id: 2 }, op: 'c', lsn: 150, after: { ...row, id: 2 } });
    expect(subject.counts).toEqual([1, 3]);
  });

  test('are left out as updates where those are skipped, and only as whole changes of keys', () => {
    const created: Change = { key: { id: 2 }, op: 'c', lsn: 150, after: { ...row, id: 2 } };
    const moved = (skipped: string[]): Subject => new Subject(skipped).add('millrace', ours);
    expect(moved(['u', 't']).add('millrace', created).counts).toEqual([0, 1]);
    expect(moved([]).add('millrace', created).counts).toEqual([2, 0]);
    expect(moved(['u']).counts).toEqual([1, 0]);
    expect(new Subject(['u']).add('debezium', ours).add('debezium', created).counts).toEqual([2, 0]);
  });

  test('are moved to the row that the update shows', () => {
    const subject = new Subject()
      .add('debezium', { key: null, op: 'u', lsn: 150, before: row, after: { ...row, id: 2 } })
      .add('millrace', ours)
      .add('millrace', { key: { id: 2 }, op: 'c', lsn: 150, after: { ...row, id: 3 } });
    expect(subject.counts).toEqual([1, 2]);
  });
});

test('rows after the change may have the key and the zeros of before, and no others', () => {
  const ours: Change = { key: { number: 1 }, op: 'c', lsn: 250, after: { number: 1, a: null, b: null } };
  const zero: Change = { ...ours, key: null, after: { number: 1, a: 0, b: null } };
  expect(new Subject().add('debezium', zero).add('millrace', ours).counts).toEqual([0, 2]);
  const other: Change = { ...ours, after: { number: 1, a: null, b: 0 } };
  expect(new Subject().add('debezium', other).add('millrace', ours).counts).toEqual([1, 0]);
});

test('a record that one side has not is a difference', () => {
  const row: Change = { key: { number: 1 }, op: 'c', lsn: 250, after: { number: 1 } };
  expect(new Subject().add('millrace', row).counts).toEqual([1, 0]);
});
