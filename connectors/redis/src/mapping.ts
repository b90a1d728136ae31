// Records to writes: what each mode makes of a record's value.
import type { SinkRecord } from '@millrace/connect-api';
import {
  ByteWriter,
  JsonObject,
  JsonWriters,
  type Schema,
  Struct,
  type ValueWriter,
  writeSchemaless,
} from '@millrace/data';
import type { RedisConfig } from './config.ts';
import { badRecord } from './errors.ts';
import { compileKeyTemplate } from './key-template.ts';

/** One write, with its place in the order of its key. */
export interface Write {
  readonly key: string;
  readonly record: SinkRecord;
  /**
   * `set` key to a document; `replace` a hash; `merge` into a hash, whose other fields stay; `append` to a stream;
   * `delete`. `keep` lists document members whose stored value stays because the source did not send it.
   */
  readonly kind: 'set' | 'replace' | 'merge' | 'append' | 'delete';
  /** Document for `set`; field, value, ... for the others; in `merge` a null value removes the field. */
  readonly values: readonly (Buffer | string | null)[];
  readonly keep: readonly string[];
}

const NONE: readonly string[] = [];

export type ToWrite = (record: SinkRecord) => Write;

/** Compiles the mapping of a config. */
export function compileMapping(config: Pick<RedisConfig, 'mode' | 'keyTemplate' | 'placeholder'>): ToWrite {
  const keyOf = compileKeyTemplate(config.keyTemplate);
  const json = new JsonWriters({ decimalFormat: 'NUMERIC', replaceNullWithDefault: false });
  const out = new ByteWriter(4096);
  const isPlaceholder = (value: unknown): boolean => value === config.placeholder;

  const encode = (write: ValueWriter, value: unknown): Buffer => {
    out.reset();
    write(value, out);
    return out.copyFrom();
  };
  const writerOf = (schema: Schema | null): ValueWriter => (schema ? json.of(schema) : writeSchemaless);

  /** Members of a struct or map, each as text: strings as they are, everything else as JSON; null stays null. */
  const members = (record: SinkRecord): [name: string, value: unknown, text: Buffer | string | null][] => {
    const { value } = record;
    const member = (
      name: string,
      schema: Schema | null,
      content: unknown,
    ): [string, unknown, Buffer | string | null] => {
      if (content === null || content === undefined) return [name, null, null];
      return [name, content, typeof content === 'string' ? content : encode(writerOf(schema), content)];
    };
    if (value instanceof Struct)
      return value.schema.fields.map((field) => member(field.name, field.schema, value.at(field.index)));
    if (value instanceof Map) return [...value].map(([name, content]) => member(String(name), null, content));
    throw badRecord(`redis.mode=${config.mode} needs values with fields`, record.original);
  };

  // Without its quotes, of which JSON is full: the search looks for the first byte.
  const placeholderText = encode(writeSchemaless, config.placeholder).subarray(1, -1);

  const toDocument = (record: SinkRecord, key: string): Write => {
    // A JSON object that nobody touched is written as it came, unless it may hold a placeholder.
    const text = record.value instanceof JsonObject ? record.value.text : undefined;
    if (text !== undefined && !text.includes(placeholderText))
      return { key, record, kind: 'set', values: [text], keep: NONE };
    const document = encode(writerOf(record.valueSchema), record.value);
    return { key, record, kind: 'set', values: [document], keep: placeholders(record.value, isPlaceholder) };
  };

  const toHash = (record: SinkRecord, key: string): Write => {
    const all = members(record);
    const missing = all.some(([, value]) => isPlaceholder(value));
    // A hash that is replaced just leaves nulls out; one that is merged into has to remove them.
    const kept = all.filter(([, value, text]) => !isPlaceholder(value) && (missing || text !== null));
    return {
      key,
      record,
      kind: missing ? 'merge' : 'replace',
      values: kept.flatMap(([name, , text]) => [name, text]),
      keep: [],
    };
  };

  const toEntry = (record: SinkRecord, key: string): Write => {
    const { value } = record;
    const values: (Buffer | string)[] = [];
    if (record.key !== null) {
      values.push(
        'key',
        typeof record.key === 'string' ? record.key : encode(writerOf(record.keySchema), record.key),
      );
    }
    if (value === null) values.push('deleted', 'true');
    else
      values.push('value', typeof value === 'string' ? value : encode(writerOf(record.valueSchema), value));
    return { key, record, kind: 'append', values, keep: [] };
  };

  return (record) => {
    const key = keyOf(record);
    if (config.mode === 'stream') return toEntry(record, key);
    if (record.value === null) return { key, record, kind: 'delete', values: [], keep: [] };
    return config.mode === 'hash' ? toHash(record, key) : toDocument(record, key);
  };
}

function placeholders(value: unknown, isPlaceholder: (value: unknown) => boolean): readonly string[] {
  if (value instanceof Struct)
    return value.schema.fields
      .filter((field) => isPlaceholder(value.at(field.index)))
      .map((field) => field.name);
  if (value instanceof Map)
    return [...value].filter(([, content]) => isPlaceholder(content)).map(([name]) => String(name));
  return NONE;
}
