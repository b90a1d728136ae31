// How Java prints a Connect value: what FileStreamSink writes.
import { Double, javaBucketHash, javaDouble, javaFloat, type Schema, Struct } from '@millrace/data';

/** The text of `String.valueOf(value)` in Connect. */
export function javaText(value: unknown, schema: Schema | null = null): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value, schema);
  if (value instanceof Double) return javaDouble(value.value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) {
    return `[${value.map((item) => javaText(item, schema?.valueSchema ?? null)).join(', ')}]`;
  }
  if (value instanceof Struct) {
    const fields = value.schema.fields
      .filter((field) => value.at(field.index) !== null)
      .map((field) => `${field.name}=${javaText(value.at(field.index), field.schema)}`);
    return `Struct{${fields.join(',')}}`;
  }
  if (value instanceof Map) return entriesText([...value], schema);
  if (Object.getPrototypeOf(value) === Object.prototype) return entriesText(Object.entries(value), schema);
  return String(value);
}

/** In the order of a HashMap, which Connect reads JSON objects into. */
function entriesText(entries: (readonly [unknown, unknown])[], schema: Schema | null): string {
  let buckets = 16;
  while (entries.length > 0.75 * buckets) buckets *= 2;
  const bucketOf = (key: unknown): number =>
    javaBucketHash(javaText(key, schema?.keySchema ?? null)) & (buckets - 1);
  const parts = entries
    .map((entry) => ({ entry, bucket: bucketOf(entry[0]) }))
    .sort((a, b) => a.bucket - b.bucket)
    .map(({ entry }) => entry)
    .map(
      ([key, item]) =>
        `${javaText(key, schema?.keySchema ?? null)}=${javaText(item, schema?.valueSchema ?? null)}`,
    );
  return `{${parts.join(', ')}}`;
}

function numberText(value: number, schema: Schema | null): string {
  if (schema?.type === 'float32') return javaFloat(value);
  return schema?.type === 'float64' || !Number.isInteger(value) ? javaDouble(value) : String(value);
}
