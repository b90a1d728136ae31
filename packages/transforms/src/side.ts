// Transforms with a `$Key` and a `$Value` class work on one side of a record; this is that side.
import type { ConnectRecord } from '@millrace/connect-api';
import {
  ArrayStruct,
  javaClassOf,
  type Schema,
  type SchemaOptions,
  Struct,
  structSchema,
} from '@millrace/data';
import { recordError, schemaError } from './errors.ts';

export type SideName = 'Key' | 'Value';

/** The schema of the side. */
export function schemaOf(side: SideName, record: ConnectRecord): Schema | null {
  return side === 'Key' ? record.keySchema : record.valueSchema;
}

/** The value of the side. */
export function valueOf(side: SideName, record: ConnectRecord): unknown {
  return side === 'Key' ? record.key : record.value;
}

/** A copy of the record with the side replaced. */
export function withSide<R extends ConnectRecord>(
  side: SideName,
  record: R,
  schema: Schema | null,
  value: unknown,
): R {
  return side === 'Key'
    ? record.with({ keySchema: schema, key: value })
    : record.with({ valueSchema: schema, value });
}

/** The value as a struct. @throws transform.bad_record in Connect's words */
export function requireStruct(value: unknown, purpose: string, schema: Schema | null = null): Struct {
  if (value instanceof Struct) return value;
  throw recordError(`Only Struct objects supported for [${purpose}], found: ${javaClassOf(value, schema)}`);
}

/** The value as a schemaless map. @throws transform.bad_record in Connect's words */
export function requireMap(value: unknown, purpose: string): Map<unknown, unknown> {
  if (value instanceof Map) return value;
  throw recordError(
    `Only Map objects supported in absence of schema for [${purpose}], found: ${javaClassOf(value)}`,
  );
}

/** What identifies a schema besides its fields; not whether it is optional, as Connect's `copySchemaBasics`. */
export function basicsOf(schema: Schema): SchemaOptions {
  return {
    name: schema.name,
    version: schema.version,
    doc: schema.doc,
    parameters: schema.parameters,
  };
}

/** A struct schema. @throws transform.schema when a name stands twice */
export function buildStruct(fields: readonly (readonly [string, Schema])[], options: SchemaOptions): Schema {
  const names = new Set<string>();
  for (const [name] of fields) {
    if (names.has(name)) throw schemaError(`Cannot create field because of field name duplication ${name}`);
    names.add(name);
  }
  return structSchema(fields, options);
}

/** The fields of a schema as the pairs that build one. */
export function fieldPairs(schema: Schema): (readonly [string, Schema])[] {
  return schema.fields.map((field) => [field.name, field.schema] as const);
}

/** A field's value, or its default in place of null when `fillDefaults`. */
export function fieldValue(struct: Struct, index: number, fillDefaults: boolean): unknown {
  const value = struct.at(index);
  if (value !== null || !fillDefaults) return value;
  return struct.schema.fields[index]?.schema.defaultValue ?? null;
}

/** A struct of `schema` whose values are listed in field order. */
export function structOf(schema: Schema, values: readonly unknown[]): Struct {
  return new ArrayStruct(schema, values);
}

/** Keeps one result per schema object, so that equal inputs give the same schema object. */
export class SchemaCache<T> {
  readonly #results = new WeakMap<Schema, T>();
  readonly #make: (schema: Schema) => T;

  constructor(make: (schema: Schema) => T) {
    this.#make = make;
  }
  of(schema: Schema): T {
    let result = this.#results.get(schema);
    if (result === undefined) {
      result = this.#make(schema);
      this.#results.set(schema, result);
    }
    return result;
  }
}
