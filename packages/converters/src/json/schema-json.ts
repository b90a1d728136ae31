// Connect schemas as the JSON that JsonConverter puts beside a payload, and back.

import type { JsonWriters } from '@millrace/data';
import {
  arraySchema,
  ByteWriter,
  dataError,
  type Json,
  mapSchema,
  Schema,
  type SchemaOptions,
  type SchemaType,
  structSchema,
  writeString,
} from '@millrace/data';
import { bytesError } from '../errors.ts';

const TYPE_NAMES: Readonly<Record<SchemaType, string>> = {
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
  array: 'array',
  map: 'map',
  struct: 'struct',
};
const TYPES = new Map(Object.entries(TYPE_NAMES).map(([type, name]) => [name, type as SchemaType]));

/** Writes a schema; members are in Connect's order, `field` last. */
export function writeSchemaJson(schema: Schema, writers: JsonWriters, out: ByteWriter, field?: string): void {
  out.ascii(`{"type":"${TYPE_NAMES[schema.type]}"`);
  if (schema.type === 'struct') {
    out.ascii(',"fields":[');
    schema.fields.forEach((each, i) => {
      if (i > 0) out.byte(0x2c);
      writeSchemaJson(each.schema, writers, out, each.name);
    });
    out.byte(0x5d);
  }
  const inner = (name: string, of: Schema | null): void => {
    out.ascii(`,"${name}":`);
    // A list of unlike values, as a text can be read as one, has no schema for them.
    if (of === null) out.ascii('null');
    else writeSchemaJson(of, writers, out);
  };
  if (schema.type === 'array') inner('items', schema.valueSchema);
  if (schema.type === 'map') {
    inner('keys', schema.keySchema);
    inner('values', schema.valueSchema);
  }
  out.ascii(`,"optional":${String(schema.optional)}`);
  if (schema.name !== null) writeMember(out, 'name', schema.name);
  if (schema.version !== null) out.ascii(`,"version":${schema.version}`);
  if (schema.doc !== null) writeMember(out, 'doc', schema.doc);
  if (schema.parameters !== null) {
    out.ascii(',"parameters":{');
    [...schema.parameters].forEach(([key, value], i) => {
      if (i > 0) out.byte(0x2c);
      writeString(out, key);
      out.byte(0x3a);
      writeString(out, value);
    });
    out.byte(0x7d);
  }
  if (schema.defaultValue !== undefined) {
    out.ascii(',"default":');
    writers.of(schema)(schema.defaultValue, out);
  }
  if (field !== undefined) writeMember(out, 'field', field);
  out.byte(0x7d);
}

function writeMember(out: ByteWriter, name: string, value: string): void {
  out.ascii(`,"${name}":`);
  writeString(out, value);
}

/** Reads a schema. `readValue` turns the JSON of a default into a value. */
export function readSchemaJson(
  json: Json,
  readValue: (schema: Schema, json: Json) => unknown,
): Schema | null {
  if (json === null) return null;
  if (!(json instanceof Map)) throw dataError("Schema must contain 'type' field");
  const typeName = json.get('type');
  if (typeof typeName !== 'string') throw dataError("Schema must contain 'type' field");
  const type = TYPES.get(typeName);
  if (type === undefined) throw dataError(`Unknown schema type: ${typeName}`);
  const options = readOptions(json);
  const schema = build(type, json, options, readValue);
  const fallback = json.get('default');
  if (fallback === undefined || fallback === null) return schema;
  try {
    return schema.with({ defaultValue: readValue(schema, fallback) });
  } catch (error) {
    throw bytesError('Invalid default value', error);
  }
}

function readOptions(json: ReadonlyMap<string, Json>): SchemaOptions {
  const parameters = json.get('parameters');
  const entries = parameters instanceof Map ? [...parameters] : [];
  for (const [, value] of entries) {
    if (typeof value !== 'string') throw dataError('Schema parameters must have string values.');
  }
  const version = json.get('version');
  if (version !== undefined && version !== null && !Number.isInteger(version)) {
    throw dataError('Invalid schema version, must be an integer');
  }
  return {
    optional: json.get('optional') === true,
    name: textOrNull(json.get('name')),
    doc: textOrNull(json.get('doc')),
    version: typeof version === 'number' ? version : null,
    parameters: new Map(entries.map(([key, value]) => [key, String(value)])),
  };
}

function textOrNull(json: Json | undefined): string | null {
  return typeof json === 'string' ? json : null;
}

function build(
  type: SchemaType,
  json: ReadonlyMap<string, Json>,
  options: SchemaOptions,
  readValue: (schema: Schema, json: Json) => unknown,
): Schema {
  const inner = (member: string, problem: string): Schema => {
    const found = json.get(member);
    const schema = found === undefined || found === null ? null : readSchemaJson(found, readValue);
    if (!schema) throw dataError(problem);
    return schema;
  };
  switch (type) {
    case 'array':
      return arraySchema(inner('items', 'Array schema did not specify the element type'), options);
    case 'map': {
      const keys = inner('keys', 'Map schema did not specify the key type');
      return mapSchema(keys, inner('values', 'Map schema did not specify the value type'), options);
    }
    case 'struct': {
      const fields = json.get('fields');
      if (!Array.isArray(fields)) throw dataError('Struct schema\'s "fields" argument is not an array.');
      return structSchema(
        fields.map((field) => {
          const name = field instanceof Map ? field.get('field') : undefined;
          if (typeof name !== 'string') throw dataError("Struct schema's field name not specified properly");
          const schema = readSchemaJson(field, readValue);
          if (!schema) throw dataError("Schema must contain 'type' field");
          return [name, schema] as const;
        }),
        options,
      );
    }
    default:
      return new Schema(type, options);
  }
}
