// Decoder of pgoutput, protocol version 1 (Postgres manual, "Logical Replication Message Formats"). Pure: bytes in,
// calls out. Rows make no objects: a tuple becomes (start, length) pairs in a shared Int32Array over the message's bytes.
//
//   B Begin    lsn:8 time:8 xid:4                        C Commit  flags:1 lsn:8 end:8 time:8
//   O Origin   lsn:8 name\0                              Y Type    oid:4 schema\0 name\0
//   R Relation oid:4 schema\0 name\0 identity:1 n:2 { flags:1 name\0 type:4 typmod:4 }
//   I Insert   oid:4 'N' tuple                           D Delete  oid:4 ('K'|'O') tuple
//   U Update   oid:4 [('K'|'O') tuple] 'N' tuple         T Truncate n:4 options:1 oid:4*n
//   M Message  flags:1 lsn:8 prefix\0 n:4 content        tuple: n:2 { 'n' | 'u' | ('t'|'b') n:4 bytes }
import { RAW_NULL, RAW_UNAVAILABLE } from '@millrace/data';
import { postgresError } from '../errors.ts';
import { type Lsn, readLsn } from './lsn.ts';

/** Microseconds from the Unix epoch to 2000-01-01, where Postgres counts from. */
export const POSTGRES_EPOCH_US = 946684800000000;

export interface RelationColumn {
  readonly name: string;
  /** Part of the replica identity. */
  readonly inIdentity: boolean;
  readonly typeOid: number;
  readonly typmod: number;
}

export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index';

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly table: string;
  readonly identity: ReplicaIdentity;
  readonly columns: readonly RelationColumn[];
}

const IDENTITIES: Readonly<Record<string, ReplicaIdentity>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};

const INDEX_BLOCK = 16384;

/** First bytes of messages. */
export const MESSAGE = {
  B: 0x42,
  C: 0x43,
  R: 0x52,
  I: 0x49,
  U: 0x55,
  D: 0x44,
  T: 0x54,
  M: 0x4d,
  O: 0x4f,
  Y: 0x59,
} as const;

/** Tuples of many messages, one after the other: for each column its start in the message's buffer and its length. */
export class TupleIndex {
  #entries: Int32Array = new Int32Array(INDEX_BLOCK);
  #used = 0;

  /** The array that the tuple last reserved is in. It never changes for tuples already written. */
  get entries(): Int32Array {
    return this.#entries;
  }

  /** Room for a tuple of `columns` columns; returns its base in `entries`. */
  reserve(columns: number): number {
    const needed = columns * 2;
    if (this.#used + needed > this.#entries.length) {
      this.#entries = new Int32Array(Math.max(INDEX_BLOCK, needed));
      this.#used = 0;
    }
    const base = this.#used;
    this.#used += needed;
    return base;
  }
}

const LETTER = { n: 0x6e, u: 0x75, t: 0x74, b: 0x62, K: 0x4b, O: 0x4f, N: 0x4e } as const;

/**
 * Walks one message. After `open`, the first byte is the type; the typed readers go on from there. Every read is
 * checked against the end of the message, so that a wrong length is an error with its position (INV-10).
 */
export class PgOutputReader {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;

  open(bytes: Buffer, start: number, end: number): number {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    return this.byte();
  }

  byte(): number {
    this.#need(1);
    return this.bytes[this.at++] ?? 0;
  }
  int16(): number {
    this.#need(2);
    const value = this.bytes.readInt16BE(this.at);
    this.at += 2;
    return value;
  }
  int32(): number {
    this.#need(4);
    const value = this.bytes.readInt32BE(this.at);
    this.at += 4;
    return value;
  }
  uint32(): number {
    this.#need(4);
    const value = this.bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }
  lsn(): Lsn {
    this.#need(8);
    const value = readLsn(this.bytes, this.at);
    this.at += 8;
    return value;
  }
  /** Microseconds since the Unix epoch. */
  timestampUs(): number {
    this.#need(8);
    const value = this.bytes.readInt32BE(this.at) * 4294967296 + this.bytes.readUInt32BE(this.at + 4);
    this.at += 8;
    return value + POSTGRES_EPOCH_US;
  }
  text(): string {
    const zero = this.bytes.indexOf(0, this.at);
    if (zero < 0 || zero >= this.end) this.#fail('text without an end');
    const value = this.bytes.toString('utf8', this.at, zero);
    this.at = zero + 1;
    return value;
  }
  /** A length and as many bytes, copied. */
  blob(): Buffer {
    const length = this.int32();
    if (length < 0) this.#fail('negative length');
    this.#need(length);
    const value = Buffer.from(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return value;
  }

  relation(): Relation {
    const oid = this.uint32();
    const schema = this.text();
    const table = this.text();
    const identity = IDENTITIES[String.fromCharCode(this.byte())] ?? 'default';
    const count = this.int16();
    const columns: RelationColumn[] = [];
    for (let i = 0; i < count; i++) {
      const flags = this.byte();
      const name = this.text();
      columns.push({ name, inIdentity: (flags & 1) === 1, typeOid: this.uint32(), typmod: this.int32() });
    }
    // An empty schema name stands for pg_catalog.
    return { oid, schema: schema === '' ? 'pg_catalog' : schema, table, identity, columns };
  }

  /**
   * Reads a tuple into `index` and returns its base there. Starts lie in this message's buffer. `expected` is the
   * number of columns of the relation.
   */
  tuple(index: TupleIndex, expected: number): number {
    const count = this.int16();
    if (count !== expected) this.#fail(`a row of ${count} columns for a relation of ${expected}`);
    const base = index.reserve(count);
    const entries = index.entries;
    const { bytes, end } = this;
    let at = this.at;
    for (let i = base, last = base + 2 * count; i < last; i += 2) {
      const kind = at < end ? bytes[at] : undefined;
      if (kind === LETTER.t) {
        if (at + 5 > end) this.#fail('a column is cut off');
        const length =
          ((bytes[at + 1] ?? 0) << 24) |
          ((bytes[at + 2] ?? 0) << 16) |
          ((bytes[at + 3] ?? 0) << 8) |
          (bytes[at + 4] ?? 0);
        at += 5;
        if (length < 0 || at + length > end) this.#fail('a column is cut off');
        entries[i] = at;
        entries[i + 1] = length;
        at += length;
      } else if (kind === LETTER.n || kind === LETTER.u) {
        entries[i] = 0;
        entries[i + 1] = kind === LETTER.n ? RAW_NULL : RAW_UNAVAILABLE;
        at++;
      } else this.#fail(`a column of unknown kind ${kind}`);
    }
    this.at = at;
    return base;
  }

  /** The letter before a tuple. */
  tupleKind(): 'K' | 'O' | 'N' {
    const kind = this.byte();
    if (kind === LETTER.N) return 'N';
    if (kind === LETTER.K) return 'K';
    if (kind === LETTER.O) return 'O';
    return this.#fail(`a tuple of unknown kind ${kind}`);
  }

  /** What is wrong with the message, at the position reached. @throws postgres.protocol */
  fail(problem: string): never {
    return this.#fail(problem);
  }

  #need(bytes: number): void {
    if (this.at + bytes > this.end) this.#fail('the message is cut off');
  }
  #fail(problem: string): never {
    throw postgresError('postgres.protocol', `The server sent a malformed change: ${problem}`, {
      context: { position: this.at, end: this.end },
    });
  }
}
