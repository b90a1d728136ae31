// org.apache.kafka.connect.transforms.ReplaceField$Key/$Value: drops, keeps and renames fields.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import type { Schema } from '@millrace/data';
import { ConfigDef, type RawConfig, type Validator, validators } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
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

const PURPOSE = 'field replacement';

const validRenames: Validator = (value) => {
  const mappings = Array.isArray(value) ? value : [];
  const bad = mappings.find((mapping) => mapping.split(':').length !== 2);
  return bad === undefined ? undefined : `Invalid rename mapping: ${bad}`;
};

export const replaceFieldConfig: ConfigDef = new ConfigDef([
  {
    name: 'exclude',
    type: 'LIST',
    default: [],
    importance: 'MEDIUM',
    doc: 'Fields to exclude. This takes precedence over the fields to include.',
    validator: validators.list('optional'),
  },
  {
    name: 'include',
    type: 'LIST',
    default: [],
    importance: 'MEDIUM',
    doc: 'Fields to include. If specified, only these fields will be used.',
    validator: validators.list('optional'),
  },
  {
    name: 'renames',
    type: 'LIST',
    default: [],
    importance: 'MEDIUM',
    doc: 'Field rename mappings.',
    validator: validRenames,
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

interface Selection {
  readonly schema: Schema;
  /** Field indexes of the input, in the output's order. */
  readonly indexes: readonly number[];
}

export class ReplaceField implements Transformation {
  readonly #side: SideName;
  #exclude: ReadonlySet<string> = new Set();
  #include: ReadonlySet<string> = new Set();
  #renames: ReadonlyMap<string, string> = new Map();
  #fillDefaults = true;
  #selections = new SchemaCache((schema) => this.#select(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(replaceFieldConfig, settings);
    this.#exclude = new Set(config.list('exclude'));
    this.#include = new Set(config.list('include'));
    this.#renames = new Map(config.list('renames').map((mapping) => mapping.split(':') as [string, string]));
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#selections = new SchemaCache((schema) => this.#select(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    if (value === null) return record;
    const schema = schemaOf(this.#side, record);
    if (schema === null)
      return withSide(this.#side, record, null, this.#applyMap(requireMap(value, PURPOSE)));
    const struct = requireStruct(value, PURPOSE);
    const selection = this.#selections.of(struct.schema);
    const values = selection.indexes.map((index) => fieldValue(struct, index, this.#fillDefaults));
    return withSide(this.#side, record, selection.schema, structOf(selection.schema, values));
  }

  #applyMap(map: ReadonlyMap<unknown, unknown>): Map<unknown, unknown> {
    const result = new Map<unknown, unknown>();
    for (const [key, value] of map) {
      const name = String(key);
      if (this.#keeps(name)) result.set(this.#renames.get(name) ?? name, value);
    }
    return result;
  }

  #keeps(name: string): boolean {
    return !this.#exclude.has(name) && (this.#include.size === 0 || this.#include.has(name));
  }

  #select(schema: Schema): Selection {
    const kept = schema.fields.filter((field) => this.#keeps(field.name));
    return {
      schema: buildStruct(
        kept.map((field) => [this.#renames.get(field.name) ?? field.name, field.schema] as const),
        basicsOf(schema),
      ),
      indexes: kept.map((field) => field.index),
    };
  }
}
