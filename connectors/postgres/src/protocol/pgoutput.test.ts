import { RAW_NULL, RAW_UNAVAILABLE } from '@millrace/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatLsn, parseLsn, readLsn, writeLsn } from './lsn.ts';
import { PgOutputReader, TupleIndex } from './pgoutput.ts';

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from('t'), int32(Buffer.byteLength(value)), Buffer.from(value)]);
const zero = (value: string): Buffer => Buffer.from(`${value}\0`);

function open(...parts: readonly Buffer[]): PgOutputReader {
  const bytes = Buffer.concat(parts);
  const reader = new PgOutputReader();
  reader.open(bytes, 0, bytes.length);
  return reader;
}

describe('pgoutput', () => {
  test('reads a relation with its identity and columns', () => {
    const reader = open(
      Buffer.from('R'),
      int32(16385),
      zero('public'),
      zero('t'),
      Buffer.from('f'),
      int16(2),
      Buffer.from([1]),
      zero('id'),
      int32(23),
      int32(-1),
      Buffer.from([0]),
      zero('naïve'),
      int32(1043),
      int32(24),
    );
    expect(reader.relation()).toEqual({
      oid: 16385,
      schema: 'public',
      table: 't',
      identity: 'full',
      columns: [
        { name: 'id', inIdentity: true, typeOid: 23, typmod: -1 },
        { name: 'naïve', inIdentity: false, typeOid: 1043, typmod: 24 },
      ],
    });
  });

  test('indexes the columns of a tuple in place: text, null, unchanged, empty', () => {
    const reader = open(Buffer.from('I'), int16(4), text('17'), Buffer.from('n'), Buffer.from('u'), text(''));
    const index = new TupleIndex();
    const base = reader.tuple(index, 4);
    const columns = [0, 1, 2, 3].map((c) => {
      const start = index.entries[base + 2 * c] ?? 0;
      const length = index.entries[base + 2 * c + 1] ?? 0;
      return length >= 0 ? reader.bytes.toString('utf8', start, start + length) : length;
    });
    expect(columns).toEqual(['17', RAW_NULL, RAW_UNAVAILABLE, '']);
  });

  test('answers garbage with a typed error and reads no byte beyond the message (INV-10)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 0, max: 5 }), (bytes, columns) => {
        const reader = new PgOutputReader();
        const buffer = Buffer.from(bytes);
        for (const read of [
          () => reader.relation(),
          () => reader.tuple(new TupleIndex(), columns),
          () => reader.blob(),
          () => reader.text(),
          () => reader.timestampUs(),
        ]) {
          try {
            reader.open(buffer, 0, buffer.length);
            read();
            expect(reader.at).toBeLessThanOrEqual(buffer.length);
          } catch (error) {
            expect(error).toMatchObject({ code: 'postgres.protocol' });
          }
        }
      }),
    );
  });

  test('keeps positions exact beyond 2^53, and compares them with those below', () => {
    for (const position of [
      '0/0',
      '0/16B3748',
      '16/B374D848',
      '1FFFFF/FFFFFFFF',
      '200000/0',
      'FFFFFFFF/FFFFFFFF',
    ]) {
      const lsn = parseLsn(position);
      expect(lsn).toBeDefined();
      if (lsn === undefined) continue;
      const bytes = Buffer.alloc(8);
      writeLsn(bytes, lsn, 0);
      expect(readLsn(bytes, 0)).toEqual(lsn);
      expect(formatLsn(lsn)).toBe(position);
    }
    const below = parseLsn('1FFFFF/FFFFFFFF') ?? 0;
    const above = parseLsn('200000/0') ?? 0;
    expect(below < above).toBe(true);
    expect(typeof above).toBe('bigint');
    expect(parseLsn('nonsense')).toBeUndefined();
  });
});
