// What a dead letter of a source holds: the bytes that the record would have had without the transform that failed, or,
// where those cannot be made, the columns as the database sent them.
import { isUtf8 } from 'node:buffer';
import type { Headers, SourceOffset, SourcePartition, SourceRecord } from '@millrace/connect-api';
import { BigDecimal, ByteWriter, RAW_NULL, type RawField, RawRow, type Schema, Struct } from '@millrace/data';
import type { TaskConverters } from './converters.ts';

interface RecordBytes {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** A record of a source that failed. */
export interface FailedSourceRecord {
  readonly topic: string;
  /** The partition of the topic; null = nobody has chosen one. */
  readonly kafkaPartition: number | null;
  readonly timestamp: number | null;
  /** Where it is in the source. */
  readonly position: { readonly partition: SourcePartition; readonly offset: SourceOffset } | undefined;
  /** As the source gave it, or as it was sent where the brokers refused it. */
  readonly content: SourceRecord | RecordBytes;
}

/** A record that failed before it was sent. */
export function failedRecord(record: SourceRecord): FailedSourceRecord {
  const { topic, kafkaPartition, timestamp, sourcePartition, sourceOffset } = record;
  const position = { partition: sourcePartition, offset: sourceOffset };
  return { topic, kafkaPartition, timestamp, position, content: record };
}

/** `raw-json`: the letter's key or value is JSON of what the source sent, as no converter could write it. */
const FORMAT_HEADER = { key: '__connect.errors.key.format', value: '__connect.errors.value.format' } as const;
const RAW_JSON = Buffer.from('raw-json');

/** Key, value and headers of the letter, without those that tell what went wrong. */
export async function letterOf(
  { topic, content }: FailedSourceRecord,
  converters: TaskConverters,
): Promise<RecordBytes> {
  if (!('sourceOffset' in content)) return content;
  const { keySchema, key, valueSchema, value, headers } = content;
  const formats: { key: string; value: Buffer | null }[] = [];
  const side = async (which: 'key' | 'value', schema: Schema | null, of: unknown): Promise<Buffer | null> => {
    try {
      return await converted(converters[which], topic, headers, schema, of);
    } catch {
      formats.push({ key: FORMAT_HEADER[which], value: RAW_JSON });
      return rawJson(of);
    }
  };
  const keyBytes = await side('key', keySchema, key);
  const valueBytes = await side('value', valueSchema, value);
  return {
    key: keyBytes,
    value: valueBytes,
    headers: [...headers.map((header) => headerOf(topic, header, converters)), ...formats],
  };
}

async function converted(
  converter: TaskConverters['value'],
  topic: string,
  headers: Headers,
  schema: Schema | null,
  value: unknown,
): Promise<Buffer | null> {
  await converter.prepareWrite?.(topic, schema);
  const out = new ByteWriter(1024);
  if (!converter.write(topic, headers, schema, value, out)) return null;
  return Buffer.from(out.buffer.subarray(0, out.position));
}

function headerOf(
  topic: string,
  { key, schema, value }: Headers[number],
  { header }: TaskConverters,
): RecordBytes['headers'][number] {
  try {
    return { key, value: header.writeHeader(topic, key, schema, value) };
  } catch {
    return { key, value: rawJson(value) };
  }
}

/** JSON of a value without its schema; columns of a raw row are the text that the database sent. */
function rawJson(value: unknown): Buffer | null {
  return value == null ? null : Buffer.from(JSON.stringify(plain(value)));
}

function plain(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (value instanceof RawRow) return rawColumns(value);
  if (value instanceof Struct) {
    return Object.fromEntries(value.schema.fields.map(({ name }, i) => [name, plain(value.at(i))]));
  }
  if (Buffer.isBuffer(value)) return bytesText(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return [...value].map(([key, of]) => [plain(key), plain(of)]);
  if (value instanceof BigDecimal) return value.toPlainString();
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)))
    return String(value);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plain(of)]));
}

/** Columns that were left out are left out here, too. */
function rawColumns({ layout, bytes, index, base }: RawRow): object {
  const columns: [string, unknown][] = [];
  for (const [i, field] of layout.fields.entries()) {
    const name = layout.schema.fields[i]?.name ?? '';
    const at = base + 2 * field.column;
    const length = index[at + 1] ?? RAW_NULL;
    if (length < 0) {
      if (length === RAW_NULL) columns.push([name, null]);
      continue;
    }
    const start = index[at] ?? 0;
    // INV-11: what is masked in events is masked here.
    const concealed = field.concealed === true;
    columns.push([
      name,
      bytesText(
        concealed ? masked(field, bytes, start, start + length) : bytes.subarray(start, start + length),
      ),
    ]);
  }
  return Object.fromEntries(columns);
}

function masked(field: RawField, bytes: Buffer, start: number, end: number): Buffer {
  const value = field.decode(bytes, start, end);
  return Buffer.isBuffer(value) ? value : Buffer.from(String(value));
}

/** Text where the bytes are UTF-8, else `{"base64": ...}`. */
function bytesText(bytes: Buffer): unknown {
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') };
}
