// Schemas, values and records as the recorded transform and converter cases write them (their README has the format).
import { type ConnectRecord, type Header, SinkRecord, SourceRecord } from '@millrace/connect-api';
import {
  ArrayStruct,
  arraySchema,
  BigDecimal,
  CONNECT_DATE,
  CONNECT_DECIMAL,
  Double,
  int64,
  isInt64,
  javaFloat,
  mapSchema,
  Schema,
  Struct,
  schemalessDouble,
  structSchema,
} from '@millrace/data';

type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };
type PlainObject = { readonly [key: string]: Plain };

/** Reads and writes golden values; `library` holds the schemas that `$ref` names. */
export class GoldenValues {
  readonly #library: Readonly<Record<string, Plain>>;
  readonly #named = new Map<string, Schema>();

  constructor(library: unknown) {
    this.#library = library as Readonly<Record<string, Plain>>;
  }

  /** The schema of a golden; null for null. A `$ref` without changes gives the same object each time. */
  schema(json: unknown): Schema | null {
    if (json === null || json === undefined) return null;
    const plain = json as PlainObject;
    const ref = plain['$ref'];
    if (typeof ref !== 'string') return this.#build(plain);
    if (Object.keys(plain).length > 1) {
      const { $ref: _, ...changes } = plain;
      return this.#build({ ...this.#resolve(ref), ...changes });
    }
    let schema = this.#named.get(ref);
    if (!schema) {
      schema = this.#build(this.#resolve(ref));
      this.#named.set(ref, schema);
    }
    return schema;
  }

  #resolve(ref: string): PlainObject {
    const found = this.#library[ref] as PlainObject | undefined;
    if (!found) throw new Error(`no schema ${ref} in the library`);
    const inner = found['$ref'];
    if (typeof inner !== 'string') return found;
    const { $ref: _, ...changes } = found;
    return { ...this.#resolve(inner), ...changes };
  }

  #build(json: PlainObject): Schema {
    const options = {
      optional: json['optional'] === true,
      name: (json['name'] as string | undefined) ?? null,
      version: (json['version'] as number | undefined) ?? null,
      doc: (json['doc'] as string | undefined) ?? null,
      parameters: (json['parameters'] as Record<string, string> | undefined) ?? null,
    };
    let schema: Schema;
    if (json['type'] === 'struct') {
      const fields = json['fields'] as readonly { field: string; schema: Plain }[];
      schema = structSchema(
        fields.map(({ field, schema: inner }) => [field, this.schema(inner) as Schema] as const),
        options,
      );
    } else if (json['type'] === 'array') {
      const items = this.schema(json['valueSchema']);
      schema = items ? arraySchema(items, options) : new Schema('array', options);
    } else if (json['type'] === 'map') {
      const keys = this.schema(json['keySchema']);
      const values = this.schema(json['valueSchema']);
      schema =
        keys && values
          ? mapSchema(keys, values, options)
          : new Schema('map', {
              ...options,
              ...(keys ? { keySchema: keys } : {}),
              ...(values ? { valueSchema: values } : {}),
            });
    } else {
      schema = new Schema(json['type'] as Schema['type'], options);
    }
    return json['default'] === undefined
      ? schema
      : schema.with({ defaultValue: this.value(schema, json['default']) });
  }

  /** The value of a golden under its schema, or without one. */
  value(schema: Schema | null, json: unknown): unknown {
    const plain = (json ?? null) as Plain;
    if (plain === null) return null;
    if (typeof plain === 'object' && !Array.isArray(plain) && '!mismatch' in plain)
      return this.value(null, plain['!mismatch']);
    return schema ? this.#typed(schema, plain) : this.#schemaless(plain);
  }

  #typed(schema: Schema, plain: Plain): unknown {
    if (schema.name === CONNECT_DECIMAL && typeof plain === 'object') return decimal(plain);
    if (schema.name === CONNECT_DATE && typeof plain === 'object')
      return Number((plain as PlainObject)['ms']) / 86_400_000;
    switch (schema.type) {
      case 'int64':
        return typeof plain === 'string' ? int64(BigInt(plain)) : plain;
      case 'float32':
        return Math.fround(Number(plain));
      case 'float64':
        return Number(plain);
      case 'bytes':
        return Buffer.from(String(plain), 'base64');
      case 'array':
        return (plain as readonly Plain[]).map((item) => this.value(schema.valueSchema, item));
      case 'map':
        return new Map(
          (plain as readonly [Plain, Plain][]).map(([key, value]) => [
            this.value(schema.keySchema, key),
            this.value(schema.valueSchema, value),
          ]),
        );
      case 'struct':
        return new ArrayStruct(
          schema,
          schema.fields.map((field) => this.value(field.schema, (plain as PlainObject)[field.name])),
        );
      default:
        return plain;
    }
  }

  #schemaless(plain: Plain): unknown {
    if (typeof plain !== 'object' || plain === null) return plain;
    const [tag = '', content] = Object.entries(plain)[0] ?? [];
    switch (tag) {
      case 'int8':
      case 'int16':
      case 'int32':
      case 'int64':
        return typeof content === 'string' ? int64(BigInt(content)) : content;
      case 'float32':
      case 'float64':
        return schemalessDouble(Number(content));
      case 'bytes':
        return Buffer.from(String(content), 'base64');
      case 'decimal':
        return decimal(content as Plain);
      case 'bigint':
        return BigInt(String(content));
      case 'date':
        return new Date(Number(content));
      case 'list':
        return (content as readonly Plain[]).map((item) => this.#schemaless(item));
      case 'map':
        return new Map(
          (content as readonly [Plain, Plain][]).map(([key, value]) => [
            this.#schemaless(key),
            this.#schemaless(value),
          ]),
        );
      case 'struct': {
        const { schema, value } = content as unknown as { schema: Plain; value: Plain };
        return this.value(this.schema(schema), value);
      }
      default:
        throw new Error(`unknown tag ${tag} of a schemaless value`);
    }
  }

  /** A golden record as a source or sink record. */
  record(json: unknown): ConnectRecord {
    const plain = json as PlainObject;
    const part = (side: Plain | undefined): { schema: Schema | null; value: unknown } => {
      const { schema, value } = (side ?? { schema: null, value: null }) as { schema?: Plain; value?: Plain };
      const built = this.schema(schema);
      return { schema: built, value: this.value(built, value) };
    };
    const key = part(plain['key']);
    const value = part(plain['value']);
    const headers = ((plain['headers'] ?? []) as readonly PlainObject[]).map((header): Header => {
      const { schema, value: content } = part(header);
      return { key: String(header['key']), schema, value: content };
    });
    const common = {
      topic: String(plain['topic']),
      keySchema: key.schema,
      key: key.value,
      valueSchema: value.schema,
      value: value.value,
      headers,
      timestamp: (plain['timestamp'] as number | undefined) ?? null,
    };
    if (plain['kind'] === 'sink') {
      return new SinkRecord({
        ...common,
        kafkaPartition: Number(plain['partition'] ?? 0),
        kafkaOffset: Number(plain['offset'] ?? 0),
        timestampType: common.timestamp === null ? 'NoTimestampType' : 'CreateTime',
      });
    }
    return new SourceRecord({
      ...common,
      kafkaPartition: (plain['partition'] as number | undefined) ?? null,
      sourcePartition: (plain['sourcePartition'] ?? {}) as Record<string, string>,
      sourceOffset: (plain['sourceOffset'] ?? {}) as Record<string, string>,
    });
  }
}

function decimal(plain: Plain): BigDecimal {
  const { unscaled, scale } = plain as unknown as { unscaled: string; scale: number };
  return new BigDecimal(BigInt(unscaled), scale);
}

/**
 * A value in a form that a test compares and prints: numbers as their Java text, bytes in base64, structs and maps as
 * objects. Widths of schemaless integers are not told apart.
 */
export function describeValue(schema: Schema | null, value: unknown): unknown {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string')
    return value ?? null;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') {
    if (schema?.type === 'float32') return `float ${javaFloat(value)}`;
    if (schema?.type === 'float64' || !isInt64(value)) return `double ${value === 0 ? 0 : value}`;
    return value.toString();
  }
  if (value instanceof Double) return `double ${value.value === 0 ? 0 : value.value}`;
  if (value instanceof BigDecimal) return { decimal: value.unscaled.toString(), scale: value.scale };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { date: value.getTime() };
  if (Array.isArray(value)) return value.map((item) => describeValue(schema?.valueSchema ?? null, item));
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [
      JSON.stringify(describeValue(schema?.keySchema ?? null, key)),
      describeValue(schema?.valueSchema ?? null, item),
    ]);
    return { map: Object.fromEntries(entries) as unknown };
  }
  if (value instanceof Struct) {
    return {
      struct: value.schema.fields.map((field) => [
        field.name,
        describeValue(field.schema, value.at(field.index)),
      ]),
    };
  }
  return `unknown ${String(value)}`;
}

/** A schema in a form that a test compares and prints; parameter order does not count. */
export function describeSchema(schema: Schema | null): unknown {
  if (!schema) return null;
  return {
    type: schema.type,
    optional: schema.optional,
    name: schema.name,
    version: schema.version,
    doc: schema.doc,
    parameters: schema.parameters
      ? Object.fromEntries([...schema.parameters].sort(([a], [b]) => (a < b ? -1 : 1)))
      : null,
    default:
      schema.defaultValue === undefined ? 'none' : { value: describeValue(schema, schema.defaultValue) },
    fields: schema.fields.map((field) => [field.name, describeSchema(field.schema)]),
    keys: describeSchema(schema.keySchema),
    values: describeSchema(schema.valueSchema),
  };
}
