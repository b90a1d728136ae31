// org.apache.kafka.connect.transforms.Cast$Key/$Value: other types for fields or for the whole, with Java's rules of
// narrowing and parsing. Values: see `castValue` in cast-value.ts.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { Schema, type SchemaType } from '@millrace/data';
import { ConfigDef, type ConfigValue, messageOf, type RawConfig, WholeProblem } from '@millrace/foundation';
import { castTypeOf, castValue } from './cast-value.ts';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { settingError } from './errors.ts';
import {
  basicsOf,
  buildStruct,
  fieldValue,
  requireMap,
  requireStruct,
  SchemaCache,
  type SideName,
  schemaOf,
  structOf,
  valueOf,
  withSide,
} from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'cast types';

/** Every problem of a spec is a sentence of its own. */
function validSpec(value: ConfigValue): WholeProblem | undefined {
  try {
    parseSpec(Array.isArray(value) ? value : []);
    return undefined;
  } catch (error) {
    return new WholeProblem(messageOf(error));
  }
}

export const castConfig: ConfigDef = new ConfigDef([
  {
    name: 'spec',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'List of fields and the type to cast them to of the form field1:type,field2:type to cast fields of Maps or Structs. A single type to cast the entire value. Valid types are int8, int16, int32, int64, float32, float64, boolean, and string. Note that binary fields can only be cast to string.',
    validator: validSpec,
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class Cast implements Transformation {
  readonly #side: SideName;
  #whole: SchemaType | undefined;
  #casts: ReadonlyMap<string, SchemaType> = new Map();
  #fillDefaults = true;
  #schemas = new SchemaCache((schema) => this.#castSchema(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(castConfig, settings);
    const { whole, casts } = parseSpec(config.list('spec'));
    this.#whole = whole;
    this.#casts = casts;
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#schemas = new SchemaCache((schema) => this.#castSchema(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    if (value === null) return record;
    const schema = schemaOf(this.#side, record);
    if (this.#whole !== undefined) {
      const cast = castValue(schema, value, this.#whole);
      return withSide(this.#side, record, schema && this.#schemas.of(schema), cast);
    }
    if (schema === null) {
      const map = new Map(requireMap(value, PURPOSE));
      for (const [field, type] of this.#casts) map.set(field, castValue(null, map.get(field) ?? null, type));
      return withSide(this.#side, record, null, map);
    }
    const struct = requireStruct(value, PURPOSE, schema);
    const updated = this.#schemas.of(schema);
    const values = struct.schema.fields.map((field) => {
      const type = this.#casts.get(field.name);
      const content = fieldValue(struct, field.index, this.#fillDefaults);
      return type === undefined ? content : castValue(field.schema, content, type);
    });
    return withSide(this.#side, record, updated, structOf(updated, values));
  }

  #castSchema(schema: Schema): Schema {
    if (this.#whole !== undefined) return castSchema(schema, this.#whole, basicsOf(schema));
    const fields = schema.fields.map((field) => {
      const type = this.#casts.get(field.name);
      return [field.name, type === undefined ? field.schema : castSchema(field.schema, type, {})] as const;
    });
    return buildStruct(fields, { ...basicsOf(schema), optional: schema.optional });
  }
}

/** The schema of a value that was cast: optional as before, the default cast too. */
function castSchema(schema: Schema, type: SchemaType, basics: ReturnType<typeof basicsOf>): Schema {
  const fallback = schema.defaultValue ?? null;
  return new Schema(type, {
    ...basics,
    optional: schema.optional,
    ...(fallback === null ? {} : { defaultValue: castValue(schema, fallback, type) }),
  });
}

function parseSpec(mappings: readonly string[]): { whole?: SchemaType; casts: Map<string, SchemaType> } {
  const casts = new Map<string, SchemaType>();
  let whole: SchemaType | undefined;
  for (const mapping of mappings) {
    const [first = '', second, ...rest] = mapping.split(':');
    if (rest.length > 0) {
      // Connect names the key of another transform here.
      throw settingError(
        'spec',
        `Invalid value [${mappings.join(', ')}] for configuration renames: Invalid rename mapping: ${mapping}`,
      );
    }
    if (second === undefined) {
      whole = typeNamed(first.trim());
    } else {
      casts.set(first.trim(), typeNamed(second.trim()));
    }
  }
  if (whole !== undefined && mappings.length > 1) {
    throw settingError(
      'spec',
      'Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec',
    );
  }
  if (mappings.length === 0) throw settingError('spec', 'Must specify at least one field to cast.');
  return whole === undefined ? { casts } : { whole, casts };
}

/** @throws config.invalid in Connect's words, which take the exception for the value */
function typeNamed(name: string): SchemaType {
  const type = castTypeOf(name);
  if (type !== undefined) return type;
  if (['bytes', 'array', 'map', 'struct'].includes(name.toLowerCase())) {
    throw settingError(
      'spec',
      `Cast transformation does not support casting to ${name.toUpperCase()}; supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]`,
    );
  }
  const unknown = `No enum constant org.apache.kafka.connect.data.Schema.Type.${name.toUpperCase()}`;
  throw settingError(
    'spec',
    `Invalid value java.lang.IllegalArgumentException: ${unknown} for configuration Invalid type found in casting spec: ${name}`,
  );
}
