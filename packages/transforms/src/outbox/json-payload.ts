// JSON text as a value with a schema, the way Debezium's outbox router infers one: whole numbers are int32 or int64,
// others float64, lists hold one type, objects in a list share the fields of all. Fields without a type are left out.
import {
  ArrayStruct,
  arraySchema,
  BOOLEAN,
  BYTES,
  FLOAT64,
  INT32,
  INT64,
  type Json,
  JsonFraction,
  optional,
  parseJson,
  Schema,
  STRING,
  structSchema,
} from '@millrace/data';
import { recordError } from '../errors.ts';
import { basicsOf } from '../side.ts';

const CACHED_SCHEMAS = 1000;
const OPTIONAL_STRING = optional(STRING);
const OPTIONAL_BOOLEAN = optional(BOOLEAN);
const OPTIONAL_INT32 = optional(INT32);
const OPTIONAL_INT64 = optional(INT64);
const OPTIONAL_FLOAT64 = optional(FLOAT64);
const OPTIONAL_BYTES = optional(BYTES);

/** A schema, and the value if it could be made: what fits no schema stays text. */
export interface Expanded {
  readonly schema: Schema | null;
  readonly value: unknown;
}

/** Expands JSON texts; equal shapes get the same schema object. */
export class JsonPayload {
  readonly #nullSchema: Schema | null;
  readonly #adjust: (name: string) => string;
  /** By a text of their fields: shapes are few, and if not, the rest is not kept. */
  readonly #schemas = new Map<string, Schema>();

  /** `nulls`: whether a null field is an optional bytes field or left out. `adjust` makes field names valid. */
  constructor(nulls: 'ignore' | 'optional_bytes', adjust: (name: string) => string = (name) => name) {
    this.#nullSchema = nulls === 'optional_bytes' ? OPTIONAL_BYTES : null;
    this.#adjust = adjust;
  }

  /**
   * The expanded text, or undefined when no schema can be told for it. The value is the text itself when the schema
   * was told but not all values fit it (a list of objects that mixes number types, a list at the top).
   */
  expand(name: string, text: string): Expanded | undefined {
    if (!text.startsWith('{') && !text.startsWith('[')) return undefined;
    let json: Json;
    let schema: Schema | null;
    try {
      json = parseJson(text, { allowTrailing: true }) ?? null;
      schema = this.#schemaOf(name, json);
    } catch {
      return undefined;
    }
    try {
      if (schema?.type !== 'struct') throw recordError('not an object');
      return { schema, value: valueOf(json, schema) };
    } catch {
      return { schema, value: text };
    }
  }

  #schemaOf(name: string | null, json: Json): Schema | null {
    if (json === null) return this.#nullSchema;
    if (typeof json === 'string') return OPTIONAL_STRING;
    if (typeof json === 'boolean') return OPTIONAL_BOOLEAN;
    if (typeof json === 'number' || typeof json === 'bigint' || json instanceof JsonFraction)
      return numberSchema(json);
    if (Array.isArray(json)) {
      if (json.length === 0) return null;
      const items = this.#itemSchema(name, json);
      return this.#shared(arraySchema(items, { optional: true }));
    }
    const fields = new Map<string, Schema>();
    for (const [key, value] of json) {
      const field = this.#adjust(key);
      const schema = this.#schemaOf(name === null || name === '' ? field : `${name}.${field}`, value);
      if (schema && !fields.has(field)) fields.set(field, schema);
    }
    return this.#shared(structSchema([...fields], { name: name === '' ? null : name, optional: true }));
  }

  #itemSchema(name: string | null, items: readonly Json[]): Schema {
    const sample = items.find((item) => item !== null) ?? null;
    for (const item of items) {
      if (item !== null && kindOf(item) !== kindOf(sample))
        throw recordError('Field is not a homogenous array');
    }
    if (sample instanceof Map) {
      let merged: Schema | null = null;
      for (const schema of new Set(
        items.filter((item) => item !== null).map((item) => this.#schemaOf(name, item)),
      ))
        merged = merged && schema ? merge(merged, schema) : schema;
      if (merged) return this.#shared(merged);
    }
    const schema = this.#schemaOf(null, sample);
    if (!schema) throw recordError('Array has unrecognized member schema.');
    return schema;
  }

  #shared(schema: Schema): Schema {
    const shape = shapeOf(schema);
    const known = this.#schemas.get(shape);
    if (known) return known;
    if (this.#schemas.size < CACHED_SCHEMAS) this.#schemas.set(shape, schema);
    return schema;
  }
}

function numberSchema(json: number | bigint | JsonFraction): Schema {
  if (json instanceof JsonFraction) return OPTIONAL_FLOAT64;
  if (json >= -2147483648 && json <= 2147483647) return OPTIONAL_INT32;
  return BigInt.asIntN(64, BigInt(json)) === BigInt(json) ? OPTIONAL_INT64 : OPTIONAL_FLOAT64;
}

/** Items of one list must be of one kind; numbers of one schema. */
function kindOf(json: Json): unknown {
  if (Array.isArray(json)) return 'array';
  if (json instanceof Map) return 'object';
  if (typeof json === 'number' || typeof json === 'bigint' || json instanceof JsonFraction)
    return numberSchema(json);
  return typeof json;
}

/** The fields of both; what the first one has stands, unless it only knew that the field was null. */
function merge(left: Schema, right: Schema): Schema {
  const fields = new Map(left.fields.map((field) => [field.name, field.schema]));
  for (const { name, schema } of right.fields) {
    const known = fields.get(name);
    if (!known || (known.type === 'bytes' && schema.type !== 'bytes')) fields.set(name, schema);
  }
  return structSchema([...fields], basicsOf(left));
}

function shapeOf(schema: Schema): string {
  const head = `${schema.type}${schema.optional ? '?' : ''}`;
  if (schema.type === 'array') return `${head}[${schema.valueSchema ? shapeOf(schema.valueSchema) : ''}]`;
  if (schema.type !== 'struct') return head;
  const fields = schema.fields.map((field) => `${JSON.stringify(field.name)}:${shapeOf(field.schema)}`);
  return `${head}${JSON.stringify(schema.name)}{${fields.join(',')}}`;
}

/** The value under its schema. @throws transform.bad_record when it does not fit */
function valueOf(json: Json, schema: Schema): unknown {
  if (json === null) {
    if (!schema.optional) throw misfit(schema);
    return null;
  }
  if (Array.isArray(json)) {
    const items = schema.type === 'array' ? schema.valueSchema : null;
    if (!items) throw misfit(schema);
    return json.map((item) => valueOf(item, items));
  }
  if (json instanceof Map) {
    if (schema.type !== 'struct') throw misfit(schema);
    return new ArrayStruct(
      schema,
      schema.fields.map((field) => {
        const value = json.get(field.name);
        return value === undefined ? null : valueOf(value, field.schema);
      }),
    );
  }
  if (json instanceof JsonFraction) {
    if (schema.type !== 'float64') throw misfit(schema);
    return json.value;
  }
  if (typeof json === 'number' || typeof json === 'bigint') {
    if (numberSchema(json).type !== schema.type || schema.type === 'float64') throw misfit(schema);
    return json;
  }
  if (typeof json !== schema.type) throw misfit(schema);
  return json;
}

function misfit(schema: Schema): Error {
  return recordError(`a value does not fit the type ${schema.type} of its field`);
}
