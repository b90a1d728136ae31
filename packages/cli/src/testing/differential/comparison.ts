// Holds two sets of topics against each other, record by record as they come: keys, values and headers as bytes, but for
// what must differ. Where bytes differ the values say how, and floating-point numbers may be spelled in another way.
import type { TailRecord } from '../topic-tail.ts';
import {
  type Alteration,
  columnDiffers,
  keyDiffers,
  layoutsOf,
  movesDiffer,
  type TwoLayouts,
} from './layouts.ts';

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
  /** `c`, `u`, ...; `tombstone` or `other`. */
  readonly op: string;
  /** Of the transaction; -1 for none. */
  readonly xid: number;
  /** Of events that say it; orders them. */
  readonly lsn: bigint | undefined;
  /** Of a row of a transaction that altered the table. */
  readonly layouts: TwoLayouts | undefined;
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
const TRANSACTION = /"status":"\w+","id":"(\d+):/;
const MOVES_DIFFER =
  'changed keys of rows of a transaction that altered their table: an update to the side that has other keys, a delete and a create to the other';
const MOVES_SKIPPED =
  'changed keys of rows of a transaction that altered their table: a delete and a create in Millrace, to Debezium, which has other keys, an update, and those are skipped';
const MOVES_COUNTED = 'counts of a transaction in which one side has such a change as two events';
const COUNTED = /\.(?:total_order|data_collection_order|event_count)$/;
const TOMBSTONES_ANYWHERE = 'keys of tombstones, where those of their deletes differ on purpose';
const RUN_ID = '__debezium.context.runId';
const MASK = '0';

export class TopicComparison {
  compared = 0;
  readonly #expected: (path: string, debezium: string, millrace: string) => string | undefined;
  readonly #waiting = new Map<string, Record<Side, Form[]>>();
  readonly #kinds = new Map<string, DifferenceKind>();
  readonly #onPurpose = new Map<string, number>();

  /** Of changes of keys that only one side told as a delete and a create: a tombstone may be still to come. */
  readonly #moved = new Set<string>();
  /** How many of them a transaction has. */
  readonly #moves = new Map<number, number>();
  /** Differences of counts in transactions that altered a table, which may come before the change they count. */
  readonly #counted: { readonly xid: number; readonly by: number; readonly note: () => void }[] = [];
  /** Records of Millrace alone that may be halves of changes of keys; undefined unless updates are skipped. */
  readonly #halves: Map<string, Form[]> | undefined;
  /** Of each partition and side. */
  readonly #last = new Map<string, Form>();
  readonly #alterations = new Map<number, Alteration>();

  /** `expected` gives the reason for which two values may differ, `skipped` the operations that the config skips. */
  constructor(
    expected: (path: string, debezium: string, millrace: string) => string | undefined,
    skipped: readonly string[] = [],
  ) {
    this.#expected = expected;
    this.#halves = skipped.includes('u') ? new Map() : undefined;
  }

  /** Told before its records are added. */
  altered(xid: number, alteration: Alteration): void {
    this.#alterations.set(xid, alteration);
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
      // No transactions, no compaction: a hole is a record that the reader lost.
      if (record.offset !== (last ? last.record.offset + 1 : 0))
        throw new Error(`${shown(record)} of ${side} came after offset ${last?.record.offset ?? 'none'}`);
      const told = formOf(record, this.#alterations);
      // A tombstone belongs to the delete before it.
      const form =
        record.value === null && last?.layouts ? { ...told, layouts: last.layouts, lsn: last.lsn } : told;
      this.#last.set(`${side} ${record.topic}-${record.partition}`, form);
      // Without a key any partition will do: the record is told by its position.
      const anywhere = record.partitions > 1 && (record.key === null || form.layouts !== undefined);
      if (form.op === 'tombstone' && this.#moved.has(moveName(side, form))) continue;
      if (anywhere && form.op === 'tombstone') {
        this.#matchTombstone(side, form);
        continue;
      }
      const place = anywhere
        ? `${record.topic} ${form.lsn} ${form.lsn === 0n ? (ROW_ID.exec(form.value)?.[0] ?? form.value) : ''}`
        : `${record.topic}-${record.partition}`;
      let waiting = this.#waiting.get(place);
      if (!waiting) this.#waiting.set(place, (waiting = { debezium: [], millrace: [] }));
      waiting[side].push(form);
      this.#match(waiting, anywhere);
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
    for (const forms of this.#halves?.values() ?? []) {
      const isMove = ['d', 'c'].every((op) => forms.some((form) => form.op === op));
      if (isMove) this.#accept(MOVES_SKIPPED);
      else for (const form of forms) this.#noteAlone('millrace', form);
    }
    this.#halves?.clear();
    for (const { xid, by, note } of this.#counted) {
      if (by <= (this.#moves.get(xid) ?? 0)) this.#accept(MOVES_COUNTED);
      else note();
    }
    this.#counted.length = 0;
  }

  #match(waiting: Record<Side, Form[]>, anywhere: boolean): void {
    const { debezium, millrace } = waiting;
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
      if (theirs.op !== ours.op && theirs.layouts) {
        if (this.#matchMove(waiting)) continue;
        // The partitions of a topic come in any order.
        const twin = anywhere ? millrace.findIndex(({ op }) => op === theirs.op) : -1;
        if (twin > 0) millrace.unshift(...millrace.splice(twin, 1));
        if (twin > 0) continue;
        if (anywhere || isPartOfMove(theirs, ours)) return;
      }
      debezium.shift();
      millrace.shift();
      this.compared++;
      this.#compare('key', theirs, ours);
      this.#compare('value', theirs, ours);
      this.#compare('headers', theirs, ours);
    }
  }

  /** Without a key, or with another one, a tombstone stands in any partition, and the record before it is any. */
  #matchTombstone(side: Side, form: Form): void {
    const place = `${form.record.topic} tombstones`;
    const waiting = this.#waiting.get(place) ?? { debezium: [], millrace: [] };
    this.#waiting.set(place, waiting);
    const others = waiting[side === 'debezium' ? 'millrace' : 'debezium'];
    const fits = (one: Form): boolean => {
      const [theirs, ours] = side === 'debezium' ? [form, one] : [one, form];
      const layouts = theirs.layouts ?? ours.layouts;
      return (
        theirs.key === ours.key ||
        (layouts !== undefined && keyDiffers(theirs.key, ours.key, layouts) !== undefined)
      );
    };
    const found = others.find(fits);
    if (found === undefined) waiting[side].push(form);
    else {
      others.splice(others.indexOf(found), 1);
      this.compared++;
      if (found.key !== form.key) this.#accept(TOMBSTONES_ANYWHERE);
    }
  }

  /** An update on one side that the other, with other keys, has as a delete and a create. Whether there was one. */
  #matchMove(waiting: Record<Side, Form[]>): boolean {
    for (const side of ['debezium', 'millrace'] as const) {
      const [whole, halves] = [waiting[side === 'debezium' ? 'millrace' : 'debezium'], waiting[side]];
      const update = whole[0];
      if (update?.op !== 'u' || !update.layouts || !movesDiffer(update.layouts)) continue;
      const parts = halves.filter(({ lsn }) => lsn === update.lsn);
      const removed = parts.find(({ op }) => op === 'd');
      const created = parts.find(({ op }) => op === 'c');
      if (removed === undefined || created === undefined) continue;
      whole.shift();
      for (const part of parts) halves.splice(halves.indexOf(part), 1);
      this.#moved.add(moveName(side, removed));
      this.#moves.set(update.xid, (this.#moves.get(update.xid) ?? 0) + 1);
      this.compared++;
      this.#accept(MOVES_DIFFER);
      const merged = updateOf(removed, created, update);
      const [theirs, ours] = side === 'debezium' ? [merged, update] : [update, merged];
      this.#compare('key', theirs, ours);
      this.#compare('value', theirs, ours);
      return true;
    }
    return false;
  }

  #alone(side: Side, form: Form | undefined): void {
    if (form === undefined) return;
    if (this.#halves === undefined || side === 'debezium' || !form.layouts || !movesDiffer(form.layouts))
      return this.#noteAlone(side, form);
    const name = moveName(side, form);
    this.#halves.set(name, [...(this.#halves.get(name) ?? []), form]);
  }

  #noteAlone(side: Side, form: Form): void {
    this.#note(`only ${side} has a record (${form.op})`, `${shown(form.record)} ${form.key} ${form.value}`);
  }

  #compare(part: 'key' | 'value' | 'headers', theirs: Form, ours: Form): void {
    if (theirs[part] === ours[part]) return;
    const { layouts } = theirs;
    const keyReason = part === 'key' && layouts ? keyDiffers(theirs.key, ours.key, layouts) : undefined;
    if (keyReason !== undefined) return this.#accept(keyReason);
    differ(part, parsed(theirs[part]), parsed(ours[part]), (path, a, b) => {
      const reason = (layouts && columnDiffers(path, a, b, layouts)) ?? this.#expected(path, a, b);
      if (reason !== undefined) return this.#accept(reason);
      if (COUNTED.test(path) && this.#alterations.has(theirs.xid)) {
        const by = Math.abs(Number(a.replaceAll(/\D/g, '')) - Number(b.replaceAll(/\D/g, '')));
        this.#counted.push({ xid: theirs.xid, by, note: () => this.#notePath(path, a, b, theirs, ours) });
        return;
      }
      this.#notePath(path, a, b, theirs, ours);
    });
  }

  #notePath(path: string, a: string, b: string, theirs: Form, ours: Form): void {
    const at = `${shown(ours.record)} ${path}: Debezium ${a.slice(0, 300)}, Millrace ${b.slice(0, 300)}`;
    this.#note(
      `${theirs.op} ${path.replaceAll(/_\d+[xk]*/g, '').replaceAll(/\[\d+\]/g, '[]')}`,
      `${at}\n      in ${/"payload":.*/.exec(ours.value)?.[0].slice(0, 600) ?? ours.value.slice(0, 600)}`,
    );
  }

  #accept(reason: string): void {
    this.#onPurpose.set(reason, (this.#onPurpose.get(reason) ?? 0) + 1);
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

function moveName(side: Side, { record, lsn }: Form): string {
  return `${side} ${record.topic} ${lsn}`;
}

/** The delete and the create of a change of keys as the update they are; headers are those of `update`. */
function updateOf(removed: Form, created: Form, { headers }: Form): Form {
  const before = /"before":(\{.*\}),"after":null/.exec(removed.value)?.[1] ?? 'null';
  const value = created.value
    .replace('"before":null', () => `"before":${before}`)
    .replace(/("(?:__)?op":)"c"/, '$1"u"');
  return { ...created, value, headers };
}

/** Whether the rest of a change of keys may be still to come. */
function isPartOfMove(theirs: Form, ours: Form): boolean {
  const one = theirs.op === 'u' ? ours : theirs;
  const { layouts } = theirs;
  return (
    layouts !== undefined && movesDiffer(layouts) && one.op === 'd' && (theirs.op === 'u' || ours.op === 'u')
  );
}

function formOf(record: TailRecord, alterations: ReadonlyMap<number, Alteration>): Form {
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
  const digits = LSN.exec(value)?.[1];
  const lsn = digits === undefined ? undefined : BigInt(digits);
  const xid = Number(XID.exec(value)?.[1] ?? TRANSACTION.exec(value)?.[1] ?? -1);
  const layouts = layoutsOf(record.topic, lsn, alterations.get(xid));
  const op = /"(?:__)?op":"(\w)"/.exec(value)?.[1] ?? (record.value === null ? 'tombstone' : 'other');
  return { record, key, value, headers: JSON.stringify(headers), op, xid, lsn, layouts };
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
