// Connect schemas: immutable type descriptions, equal by structure and cached by identity. Converters and layouts
// compile code per Schema object, so whoever builds schemas builds each once and hands out the same object.

export type SchemaType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct';

export interface Field {
  readonly name: string;
  readonly index: number;
  readonly schema: Schema;
}

export interface SchemaOptions {
  readonly optional?: boolean | undefined;
  readonly name?: string | null | undefined;
  readonly version?: number | null | undefined;
  readonly doc?: string | null | undefined;
  readonly parameters?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | null | undefined;
  /** Absent = no default. */
  readonly defaultValue?: unknown;
}

interface SchemaParts extends SchemaOptions {
  readonly fields?: readonly (readonly [name: string, schema: Schema])[];
  readonly keySchema?: Schema;
  readonly valueSchema?: Schema;
}

const NO_FIELDS: readonly Field[] = [];

/**
 * A type with its name, version, parameters and default. `fields` is empty unless it is a struct; `valueSchema` is
 * the element type of an array and the value type of a map.
 */
export class Schema {
  readonly type: SchemaType;
  readonly optional: boolean;
  readonly name: string | null;
  readonly version: number | null;
  readonly doc: string | null;
  readonly parameters: ReadonlyMap<string, string> | null;
  /** `undefined` when there is none. */
  readonly defaultValue: unknown;
  readonly fields: readonly Field[];
  readonly keySchema: Schema | null;
  readonly valueSchema: Schema | null;
  readonly #byName: ReadonlyMap<string, Field>;

  constructor(type: SchemaType, parts: SchemaParts = {}) {
    this.type = type;
    this.optional = parts.optional ?? false;
    this.name = parts.name ?? null;
    this.version = parts.version ?? null;
    this.doc = parts.doc ?? null;
    const parameters =
      parts.parameters instanceof Map ? parts.parameters : new Map(Object.entries(parts.parameters ?? {}));
    this.parameters = parameters.size === 0 ? null : parameters;
    this.defaultValue = parts.defaultValue;
    this.keySchema = parts.keySchema ?? null;
    this.valueSchema = parts.valueSchema ?? null;
    this.fields = parts.fields?.map(([name, schema], index) => ({ name, index, schema })) ?? NO_FIELDS;
    this.#byName = new Map(this.fields.map((field) => [field.name, field]));
  }

  field(name: string): Field | undefined {
    return this.#byName.get(name);
  }

  /** The same type with some of its options changed. */
  with(changes: SchemaOptions): Schema {
    return new Schema(this.type, { ...this.parts(), ...changes });
  }

  /** What the constructor was given, to build variants from. */
  parts(): SchemaParts {
    return {
      optional: this.optional,
      name: this.name,
      version: this.version,
      doc: this.doc,
      parameters: this.parameters,
      ...(this.defaultValue === undefined ? {} : { defaultValue: this.defaultValue }),
      ...(this.keySchema ? { keySchema: this.keySchema } : {}),
      ...(this.valueSchema ? { valueSchema: this.valueSchema } : {}),
      fields: this.fields.map((field) => [field.name, field.schema] as const),
    };
  }

  /** Structural equality, including names, parameters, docs and defaults. */
  equals(other: Schema): boolean {
    if (this === other) return true;
    return (
      this.type === other.type &&
      this.optional === other.optional &&
      this.name === other.name &&
      this.version === other.version &&
      this.doc === other.doc &&
      sameParameters(this.parameters, other.parameters) &&
      sameDefault(this.defaultValue, other.defaultValue) &&
      sameOrBothNull(this.keySchema, other.keySchema) &&
      sameOrBothNull(this.valueSchema, other.valueSchema) &&
      this.fields.length === other.fields.length &&
      this.fields.every((field, i) => {
        const twin = other.fields[i];
        return twin !== undefined && field.name === twin.name && field.schema.equals(twin.schema);
      })
    );
  }
}

function sameOrBothNull(a: Schema | null, b: Schema | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

function sameParameters(
  a: ReadonlyMap<string, string> | null,
  b: ReadonlyMap<string, string> | null,
): boolean {
  if (a === null || b === null) return a === b;
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

function sameDefault(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (Object.is(a, b)) return true;
  if (hasEquals(a)) return a.equals(b);
  return false;
}

function hasEquals(value: unknown): value is { equals(other: unknown): boolean } {
  return (
    typeof value === 'object' && value !== null && 'equals' in value && typeof value.equals === 'function'
  );
}

/** A primitive type, plain or with options. Without options the shared instance is returned. */
export function primitive(
  type: Exclude<SchemaType, 'array' | 'map' | 'struct'>,
  options?: SchemaOptions,
): Schema {
  if (options === undefined) return PLAIN[type];
  return new Schema(type, options);
}

/** A struct; field order is wire order. */
export function structSchema(
  fields: readonly (readonly [name: string, schema: Schema])[],
  options: SchemaOptions = {},
): Schema {
  return new Schema('struct', { ...options, fields });
}

export function arraySchema(items: Schema, options: SchemaOptions = {}): Schema {
  return new Schema('array', { ...options, valueSchema: items });
}

export function mapSchema(keys: Schema, values: Schema, options: SchemaOptions = {}): Schema {
  return new Schema('map', { ...options, keySchema: keys, valueSchema: values });
}

const PLAIN = {
  int8: new Schema('int8'),
  int16: new Schema('int16'),
  int32: new Schema('int32'),
  int64: new Schema('int64'),
  float32: new Schema('float32'),
  float64: new Schema('float64'),
  boolean: new Schema('boolean'),
  string: new Schema('string'),
  bytes: new Schema('bytes'),
} as const;

export const INT8: Schema = PLAIN.int8;
export const INT16: Schema = PLAIN.int16;
export const INT32: Schema = PLAIN.int32;
export const INT64: Schema = PLAIN.int64;
export const FLOAT32: Schema = PLAIN.float32;
export const FLOAT64: Schema = PLAIN.float64;
export const BOOLEAN: Schema = PLAIN.boolean;
export const STRING: Schema = PLAIN.string;
export const BYTES: Schema = PLAIN.bytes;

const optionals = new WeakMap<Schema, Schema>();

/** The optional form of a schema; the same object for the same schema. */
export function optional(schema: Schema): Schema {
  if (schema.optional) return schema;
  let made = optionals.get(schema);
  if (!made) {
    made = schema.with({ optional: true });
    optionals.set(schema, made);
  }
  return made;
}

/** A value with its schema, as a converter reads it. `schema` null = schemaless. */
export interface SchemaAndValue {
  readonly schema: Schema | null;
  readonly value: unknown;
}
