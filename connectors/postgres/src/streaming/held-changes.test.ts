import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../config.ts';
import { testConfig } from '../fixtures/test-config.ts';
import type { Relation } from '../protocol/pgoutput.ts';
import { TypeCatalog } from '../schema/catalog.ts';
import { tableEvents } from '../schema/table-events.ts';
import { tableSchema } from '../schema/table-schema.ts';
import type { KeyQuestion } from '../snapshot/key-places.ts';
import { HeldChanges } from './held-changes.ts';
import { SnapshotWindow } from './snapshot-window.ts';
import { TableStream } from './table-stream.ts';

const TEXT = 25;
const RELATION: Relation = {
  oid: 7,
  schema: 'public',
  table: 't',
  identity: 'default',
  columns: [{ name: 'id', inIdentity: true, typeOid: TEXT, typmod: -1 }],
};

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => Buffer.concat([int16(value >>> 16), int16(value & 0xffff)]);
const insert = (id: string): Buffer => {
  const text = [Buffer.from('t'), int32(Buffer.byteLength(id)), Buffer.from(id)];
  return Buffer.concat([Buffer.from('I'), int32(7), Buffer.from('N'), int16(1), ...text]);
};
const begin = (commitLsn: number): Buffer =>
  Buffer.concat([Buffer.from('B'), int32(0), int32(commitLsn), Buffer.alloc(12)]);
const COMMIT = Buffer.concat([Buffer.from('C'), Buffer.alloc(25)]);

function table(): TableStream {
  const { rules } = resolveConfig(
    testConfig({ host: 'h', port: 1, user: 'u', password: 'p', name: 'd' }, 's'),
  );
  const text = { oid: TEXT, name: 'text', schema: 'pg_catalog', kind: 'b', elementOid: 0, baseOid: 0 };
  const types = new TypeCatalog().with([{ ...text, baseTypmod: -1, labels: [] }]);
  const { columns, identity } = RELATION;
  const schema = tableSchema({
    table: RELATION,
    columns,
    catalog: undefined,
    types,
    rules,
    origin: 'stream',
    identity,
  });
  const events = tableEvents(schema, { headers: [], sourcePartition: {}, tombstones: false });
  return new TableStream(schema, RELATION, events, { logicalName: 'p', database: 'd' });
}

/** Changes of a table that was read up to `m` at position 100 and from there on at 200. */
function held(
  commitLsn: number,
  answer: (question: KeyQuestion) => readonly number[] | undefined = ({ keys }) => keys.map(() => 0),
) {
  const parts = [
    { at: 100, until: ['m'] },
    { at: 200, until: undefined },
  ];
  const key = [{ name: 'id', kind: 'server' as const, order: 'o' }];
  const window = new SnapshotWindow(new Map([['public.t', { oid: 7, rows: 9, key, parts }]]));
  const position = { window, transaction: { commitLsn } as never };
  const done: string[] = [];
  const asked: KeyQuestion[] = [];
  const stream = table();
  const changes = new HeldChanges({
    tables: { get: (oid) => (oid === 7 ? stream : undefined) },
    position,
    askPlaces: (question) => {
      asked.push(question);
      return Promise.resolve(answer(question));
    },
    undelayed: () => undefined,
    handle: (lsn, bytes, start, end) => {
      const type = bytes.toString('latin1', start, start + 1);
      const judged = window.table(RELATION);
      const id = bytes.toString('utf8', start + 13, end);
      const covered = judged === undefined ? 'unjudged' : window.covers(judged, [id], commitLsn);
      done.push(type === 'I' ? `${lsn} ${id} ${String(covered)}` : `${lsn} ${type}`);
      return undefined;
    },
    keepalive: (lsn) => void done.push(`keepalive ${lsn}`),
  });
  const take = (lsn: number, message: Buffer): boolean => changes.take(lsn, message, 0, message.length);
  return { changes, window, take, asked, done };
}

describe('changes within the window of a snapshot', () => {
  test('wait from the first row on that the server is asked for, with all that follows (INV-2)', async () => {
    const { changes, window, take, asked, done } = held(150, ({ keys }) => keys.map((_, i) => i));
    expect([take(1, begin(150)), take(2, COMMIT)]).toEqual([false, false]);
    expect(
      [insert('m'), insert('a'), insert('ö'), COMMIT, begin(160), insert('a')].map((m, i) => take(i, m)),
    ).toEqual([
      false, // where the first part ends there is nothing to ask
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(changes.keepsBack(900)).toBe(true);
    await changes.release();
    expect(asked).toMatchObject([
      { keys: [['a'], ['ö']], places: [['m']], table: { schema: 'public', table: 't' } },
    ]);
    expect(done).toEqual(['1 a false', '2 ö true', '3 C', '4 B', '5 a false', 'keepalive 900']);
    expect([changes.isEmpty, changes.keepsBack(901)]).toEqual([true, false]);
    // INV-5: what was learned is forgotten.
    const judged = window.table(RELATION);
    expect(judged === undefined ? 'none' : window.covers(judged, ['a'], 150)).toBeUndefined();
  });

  test('wait no longer where the server does not know (INV-3)', async () => {
    const { changes, window, take, done } = held(150, () => undefined);
    take(1, insert('a'));
    await changes.release();
    expect([window.table(RELATION), done]).toEqual([undefined, ['1 a unjudged']]);
  });

  test('are no more than can be asked at once (INV-5)', () => {
    const { changes, take } = held(150);
    let keys = 0;
    while (!changes.isFull) take(keys, insert(`k${keys++}`));
    expect(keys).toBe(1024);
    const few = held(150);
    few.take(0, insert('a'));
    let messages = 1;
    while (!few.changes.isFull) few.take(messages++, COMMIT);
    expect(messages).toBe(8192);
    const large = held(150);
    large.take(0, insert('a'));
    expect([
      large.changes.isFull,
      large.take(1, insert('x'.repeat(5_000_000))),
      large.changes.isFull,
    ]).toEqual([false, true, true]);
  });

  test('end with what changes how they are judged', () => {
    for (const last of [Buffer.from('R'), begin(200)]) {
      const { changes, take } = held(150);
      expect(take(1, last)).toBe(false);
      take(2, insert('a'));
      expect([changes.isFull, take(3, last), changes.isFull]).toEqual([false, true, true]);
    }
  });

  test('that lie before or after all that was read are not asked for', () => {
    for (const commitLsn of [50, 200]) {
      const { changes, take } = held(commitLsn);
      expect([take(1, insert('a')), changes.isEmpty]).toEqual([false, true]);
    }
  });
});
