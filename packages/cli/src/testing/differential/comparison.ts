// Holds two sets of topics against each other, record by record as they come: keys, values and headers as bytes, but for
// what must differ. Where bytes differ the values say how, and floating-point numbers may be spelled in another way.
import type { TailRecord } from '../topic-tail.ts';

export type Side = 'debezium' | 'millrace';

/** A difference by its kind: the path with names of types for names of columns, and what was found first. */
export interface DifferenceKind {
  readonly kind: string;
  count: number;
  readonly example: string;
}

interface Form {
  readonly record: TailRecord;
  readonly key: string;
  readonly value: string;
  readonly headers: string;
  /** Of events that say it; orders them. */
  readonly lsn: bigint | undefined;
  /** Of a row that its transaction wrote before it altered the table. */
  readonly beforeAlter: boolean;
  /** Of a transaction that altered a table. */
  readonly inAlter: boolean;
}

/** Moments of processing, and the run that headers name. */
const PROCESSED = /("op":"\w","ts_ms":)\d+,"ts_us":\d+,"ts_ns":\d+/;
const MESSAGE_PROCESSED = /("op":"m","ts_ms":)\d+/;
/** Two snapshots of the same rows: each has its own moment and position. */
const SNAPSHOT_SOURCE =
  /"ts_ms":\d+,"snapshot":"(?!false)(\w+)","db":"([^"]*)","sequence":"[^}]*?\]","ts_us":\d+,"ts_ns":\d+(,"schema":"[^"]*","table":"[^"]*"),"txId":\d+,"lsn":\d+/;
const UNWRAPPED_SNAPSHOT = /("__op":"r".*?)"__lsn":\d+,"__source_ts_ms":\d+,"__txId":\d+/;
const LSN = /"(?:__)?lsn":(\d+)/;
const ROW_ID = /"rid":\d+/;
const XID = /"(?:__)?txId":(\d+)/;
const BEFORE_ALTER =
  'rows that a transaction wrote before it altered their table: Debezium shows them by the catalog of afterwards, at times without their key';
const RUN_ID = '__debezium.context.runId';
const MASK = '0';

export class TopicComparison {
  compared = 0;
  readonly #expected: (path: string, debezium: string, millrace: string) => string | undefined;
  readonly #waiting = new Map<string, Record<Side, Form[]>>();
  readonly #kinds = new Map<string, DifferenceKind>();
  readonly #onPurpose = new Map<string, number>();

  /** Of each partition and side. */
  readonly #last = new Map<string, Form>();
  readonly #alteredAt = new Map<number, bigint>();

  /** `expected` gives the reason for which two values may differ. */
  constructor(expected: (path: string, debezium: string, millrace: string) => string | undefined) {
    this.#expected = expected;
  }

  /** What transaction `xid` wrote below `lsn` came before it altered a table. */
  alteredAt(xid: number, lsn: bigint): void {
    this.#alteredAt.set(xid, lsn);
  }

  get differences(): DifferenceKind[] {
    return [...this.#kinds.values()].sort((a, b) => b.count - a.count);
  }
  /** Reason -> number of values. */
  get onPurpose(): ReadonlyMap<string, number> {
    return this.#onPurpose;
  }

  /** Records of one side that the other has not written yet. */
  get pending(): number {
    let count = 0;
    for (const { debezium, millrace } of this.#waiting.values()) count += debezium.length + millrace.length;
    return count;
  }

  add(side: Side, records: readonly TailRecord[]): void {
    for (const record of records) {
      const last = this.#last.get(`${side} ${record.topic}-${record.partition}`);
      const told = formOf(record, this.#alteredAt);
      // A tombstone belongs to the delete before it.
      const form =
        record.value === null && last?.beforeAlter ? { ...told, beforeAlter: true, lsn: last.lsn } : told;
      this.#last.set(`${side} ${record.topic}-${record.partition}`, form);
      // Without a key any partition will do: the record is told by its position.
      const anywhere = record.partitions > 1 && (record.key === null || form.beforeAlter);
      const place = anywhere
        ? `${record.topic} ${form.lsn} ${form.lsn === 0n ? (ROW_ID.exec(form.value)?.[0] ?? form.value) : ''}`
        : `${record.topic}-${record.partition}`;
      let waiting = this.#waiting.get(place);
      if (!waiting) this.#waiting.set(place, (waiting = { debezium: [], millrace: [] }));
      waiting[side].push(form);
      this.#match(waiting);
      if (anywhere && waiting.debezium.length + waiting.millrace.length === 0) this.#waiting.delete(place);
    }
  }

  /** Nothing more is coming: what waits is on one side only. */
  end(): void {
    for (const { debezium, millrace } of this.#waiting.values()) {
      for (const form of debezium) this.#alone('debezium', form);
      for (const form of millrace) this.#alone('millrace', form);
    }
    this.#waiting.clear();
  }

  #match({ debezium, millrace }: Record<Side, Form[]>): void {
    for (;;) {
      const [theirs, ours] = [debezium[0], millrace[0]];
      if (theirs === undefined || ours === undefined) return;
      if (theirs.lsn !== undefined && ours.lsn !== undefined && theirs.lsn !== ours.lsn) {
        if (theirs.lsn < ours.lsn) this.#alone('debezium', debezium.shift());
        else this.#alone('millrace', millrace.shift());
        continue;
      }
      if ((theirs.lsn === undefined) !== (ours.lsn === undefined)) {
        if (theirs.lsn === undefined) this.#alone('debezium', debezium.shift());
        else this.#alone('millrace', millrace.shift());
        continue;
      }
      debezium.shift();
      millrace.shift();
      this.compared++;
      this.#compare('key', theirs, ours);
      this.#compare('value', theirs, ours);
      this.#compare('headers', theirs, ours);
    }
  }

  #alone(side: Side, form: Form | undefined): void {
    if (form === undefined) return;
    const op =
      /"(?:__)?op":"(\w)"/.exec(form.value)?.[1] ?? (form.record.value === null ? 'tombstone' : 'other');
    this.#note(`only ${side} has a record (${op})`, `${shown(form.record)} ${form.key} ${form.value}`);
  }

  #compare(part: 'key' | 'value' | 'headers', theirs: Form, ours: Form): void {
    if (theirs[part] === ours[part]) return;
    differ(part, parsed(theirs[part]), parsed(ours[part]), (path, a, b) => {
      const reason = theirs.beforeAlter
        ? BEFORE_ALTER
        : ((theirs.inAlter ? notVisible(path, a, b) : undefined) ?? this.#expected(path, a, b));
      if (reason !== undefined) {
        this.#onPurpose.set(reason, (this.#onPurpose.get(reason) ?? 0) + 1);
        return;
      }
      const op = /"(?:__)?op":"(\w)"/.exec(theirs.value)?.[1] ?? '-';
      const at = `${shown(ours.record)} ${path}: Debezium ${a.slice(0, 300)}, Millrace ${b.slice(0, 300)}`;
      this.#note(
        `${op} ${path.replaceAll(/_\d+[xk]*/g, '').replaceAll(/\[\d+\]/g, '[]')}`,
        `${at}\n      in ${/"payload":.*/.exec(ours.value)?.[0].slice(0, 600) ?? ours.value.slice(0, 600)}`,
      );
    });
  }

  #note(kind: string, example: string): void {
    const known = this.#kinds.get(kind);
    if (known) known.count++;
    else this.#kinds.set(kind, { kind, count: 1, example });
  }
}

function shown({ topic, partition, offset }: TailRecord): string {
  return `${topic}-${partition}@${offset}`;
}

function formOf(record: TailRecord, alteredAt: ReadonlyMap<number, bigint>): Form {
  const key = record.key === null ? 'null' : record.key.toString();
  const text = record.value === null ? 'null' : record.value.toString();
  const value = text
    .replace(PROCESSED, `$1${MASK}`)
    .replace(MESSAGE_PROCESSED, `$1${MASK}`)
    .replace(SNAPSHOT_SOURCE, `"ts_ms":${MASK},"snapshot":"$1","db":"$2"$3,"txId":${MASK},"lsn":${MASK}`)
    .replace(UNWRAPPED_SNAPSHOT, `$1"__lsn":${MASK},"__source_ts_ms":${MASK},"__txId":${MASK}`);
  const headers = record.headers.map(({ key: name, value: bytes }) => [
    name,
    name === RUN_ID || bytes === null ? null : bytes.toString(),
  ]);
  const lsn = LSN.exec(value)?.[1];
  return {
    record,
    key,
    value,
    headers: JSON.stringify(headers),
    lsn: lsn === undefined ? undefined : BigInt(lsn),
    inAlter: alteredAt.has(xidOf(value)),
    beforeAlter: lsn !== undefined && BigInt(lsn) < (alteredAt.get(xidOf(value)) ?? 0n),
  };
}

/** The server sends what was committed a moment before queries see it. */
function notVisible(path: string, debezium: string, millrace: string): string | undefined {
  const isKey = path === 'key' && debezium === 'null';
  const isOptional = path.endsWith('.optional') && debezium === 'true' && millrace === 'false';
  const isDefault = /\.fields\[[^\]]*\]$/.test(path) && !debezium.includes('"default":');
  // A converter writes the default for null.
  const isValue = /^value\.(?:payload\.)?(?:after|before)\.[^.]*$/.test(path) && debezium === 'null';
  return isKey || isOptional || isDefault || isValue
    ? 'rows of a transaction that made or altered their table, which Debezium asked the catalog for before it was visible there: no key, optional columns, no defaults'
    : undefined;
}

function xidOf(value: string): number {
  return Number(XID.exec(value)?.[1] ?? -1);
}

const NUMBER_MARK = '\u0001n';
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON with the text of numbers kept; text that is no JSON as it is. */
function parsed(text: string): unknown {
  const marked = text.replaceAll(TOKENS, (token) =>
    token.startsWith('"') ? token : JSON.stringify(NUMBER_MARK + token),
  );
  try {
    return JSON.parse(marked);
  } catch {
    return text;
  }
}

/** Numbers with a fraction or exponent are the same when they are as doubles or as floats. */
function sameNumber(a: unknown, b: unknown): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return false;
  if (!a.startsWith(NUMBER_MARK) || !b.startsWith(NUMBER_MARK)) return false;
  const [x, y] = [a.slice(NUMBER_MARK.length), b.slice(NUMBER_MARK.length)];
  if (!/[.eE]/.test(x) || !/[.eE]/.test(y)) return false;
  return Number(x) === Number(y) || Math.fround(Number(x)) === Math.fround(Number(y));
}

function differ(
  path: string,
  a: unknown,
  b: unknown,
  note: (path: string, debezium: string, millrace: string) => void,
): void {
  if (a === b || sameNumber(a, b)) return;
  if (
    typeof a === 'object' &&
    typeof b === 'object' &&
    a !== null &&
    b !== null &&
    Array.isArray(a) === Array.isArray(b)
  ) {
    const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
    const names = Object.keys(x);
    if (JSON.stringify(names) === JSON.stringify(Object.keys(y))) {
      for (const name of names)
        differ(
          Array.isArray(a) ? `${path}[${named(x[name], name)}]` : `${path}.${name}`,
          x[name],
          y[name],
          note,
        );
      return;
    }
  }
  note(path, printed(a), printed(b));
}

/** Fields of schemas by their names. */
function named(element: unknown, index: string): string {
  const field = (element as { field?: unknown } | null)?.field;
  return typeof field === 'string' ? field : index;
}

function printed(value: unknown): string {
  return JSON.stringify(value)?.replaceAll('"\\u0001n', '#"') ?? 'undefined';
}
