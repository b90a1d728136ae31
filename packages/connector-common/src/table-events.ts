// Change events of one table to records: envelopes from templates, tombstones, key changes as delete
// and create with each other's key in a header.
import { type Headers, type SourceOffset, type SourcePartition, SourceRecord } from '@millrace/connect-api';
import {
  type Operation,
  type Schema,
  type Struct,
  StructTemplate,
  sameValue,
  TemplateStruct,
  VARYING,
} from '@millrace/data';
import { NEW_KEY_HEADER, OLD_KEY_HEADER, withKeyHeader } from './context-headers.ts';

/** When a batch of changes was processed; records of one batch share the object. */
export interface ProcessedAt {
  readonly ms: number;
  readonly us: number;
  readonly ns: bigint;
}

export interface TableEventsOptions {
  readonly topic: string;
  readonly keySchema: Schema | null;
  readonly envelopeSchema: Schema;
  readonly headers: Headers;
  readonly sourcePartition: SourcePartition;
  readonly tombstones: boolean;
  /** Operations that a changed key, which is a delete and an insert, leaves out. */
  readonly skipped?: ReadonlySet<string>;
}

/** What all records of one change share. */
export interface ChangeContext {
  readonly source: Struct;
  readonly processed: ProcessedAt;
  /** Of the last record of the change. */
  readonly offset: SourceOffset;
  /**
   * Of the records before the last: an offset that makes the change come again, so that half a change is never taken
   * for a whole one (INV-3).
   */
  readonly offsetBefore: SourceOffset;
  /** The `transaction` block; null without transaction metadata. */
  readonly transaction: Struct | null;
}

interface CachedTemplate {
  readonly processed: ProcessedAt;
  readonly template: StructTemplate;
}

/** Makes the records of one version of a table. Records are appended to `out`. */
export class TableEvents {
  readonly #options: TableEventsOptions;
  readonly #templates = new Map<Operation, CachedTemplate>();

  constructor(options: TableEventsOptions) {
    this.#options = options;
  }

  /** An insert or a row read by a snapshot. */
  created(
    out: SourceRecord[],
    change: ChangeContext,
    key: Struct | null,
    after: Struct,
    op: 'c' | 'r' = 'c',
  ): void {
    out.push(
      this.#record(change.offset, key, this.#options.headers, this.#envelope(op, change, null, after)),
    );
  }

  updated(
    out: SourceRecord[],
    change: ChangeContext,
    key: Struct | null,
    before: Struct | null,
    after: Struct,
  ): void {
    out.push(
      this.#record(change.offset, key, this.#options.headers, this.#envelope('u', change, before, after)),
    );
  }

  deleted(out: SourceRecord[], change: ChangeContext, key: Struct | null, before: Struct): void {
    const { headers, tombstones } = this.#options;
    const envelope = this.#envelope('d', change, before, null);
    out.push(this.#record(tombstones ? change.offsetBefore : change.offset, key, headers, envelope));
    if (tombstones) out.push(this.#tombstone(change.offset, key, headers));
  }

  /** An update that moved the row to another key; `second` is the change with what differs for the create after a delete. */
  keyChanged(
    out: SourceRecord[],
    first: ChangeContext,
    second: () => ChangeContext,
    keys: { readonly before: Struct; readonly after: Struct },
    rows: { readonly before: Struct; readonly after: Struct },
  ): void {
    const { headers, keySchema, tombstones, skipped } = this.#options;
    const toNew = withKeyHeader(headers, NEW_KEY_HEADER, keySchema, keys.after);
    const toOld = withKeyHeader(headers, OLD_KEY_HEADER, keySchema, keys.before);
    const { offsetBefore } = first;
    const [hasDelete, hasCreate] = [!skipped?.has('d'), !skipped?.has('c')];
    if (hasDelete) {
      out.push(this.#record(offsetBefore, keys.before, toNew, this.#envelope('d', first, rows.before, null)));
      if (tombstones) out.push(this.#tombstone(offsetBefore, keys.before, toNew));
    }
    if (!hasCreate) return;
    const change = hasDelete ? second() : first;
    out.push(this.#record(change.offset, keys.after, toOld, this.#envelope('c', change, null, rows.after)));
  }

  truncated(out: SourceRecord[], change: ChangeContext): void {
    const { topic, headers, sourcePartition, envelopeSchema } = this.#options;
    out.push(
      new SourceRecord({
        sourcePartition,
        sourceOffset: change.offset,
        topic,
        valueSchema: envelopeSchema,
        value: this.#envelope('t', change, null, null),
        headers,
      }),
    );
  }

  #record(sourceOffset: SourceOffset, key: Struct | null, headers: Headers, value: Struct): SourceRecord {
    const { topic, keySchema, envelopeSchema, sourcePartition } = this.#options;
    return new SourceRecord({
      sourcePartition,
      sourceOffset,
      topic,
      keySchema,
      key,
      valueSchema: envelopeSchema,
      value,
      headers,
    });
  }

  #tombstone(sourceOffset: SourceOffset, key: Struct | null, headers: Headers): SourceRecord {
    const { topic, keySchema, sourcePartition } = this.#options;
    return new SourceRecord({ sourcePartition, sourceOffset, topic, keySchema, key, headers });
  }

  #envelope(
    op: Operation,
    change: ChangeContext,
    before: Struct | null,
    after: Struct | null,
  ): TemplateStruct {
    let cached = this.#templates.get(op);
    if (cached?.processed !== change.processed) {
      cached = { processed: change.processed, template: this.#template(op, change.processed) };
      this.#templates.set(op, cached);
    }
    return new TemplateStruct(cached.template, [before, after, change.source, change.transaction]);
  }

  #template(op: Operation, { ms, us, ns }: ProcessedAt): StructTemplate {
    return new StructTemplate(this.#options.envelopeSchema, [
      VARYING,
      VARYING,
      VARYING,
      VARYING,
      op,
      ms,
      us,
      ns,
    ]);
  }
}

/** The record of a change with another row after it. */
export function withAfter(record: SourceRecord, after: Struct): SourceRecord {
  const { value } = record;
  if (!(value instanceof TemplateStruct)) return record;
  const [before, , source, transaction] = value.varying;
  return record.with({ value: new TemplateStruct(value.template, [before, after, source, transaction]) });
}

/** Whether an update changed the key. Keys are equal when all their values are. */
export function keyDiffers(before: Struct, after: Struct): boolean {
  return !before.schema.fields.every((field) => sameValue(before.at(field.index), after.at(field.index)));
}
