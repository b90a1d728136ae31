// io.debezium.transforms.HeaderToValue: moves or copies headers into fields of the value, nested ones too.
import type { ConnectRecord, Header, Transformation } from '@millrace/connect-api';
import { type Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { debeziumKey, oneOfValues, requiredValue } from './debezium-keys.ts';
import { recordError, settingError } from './errors.ts';
import {
  basicsOf,
  buildStruct,
  fieldPairs,
  fieldValue,
  requireStruct,
  SchemaCache,
  structOf,
} from './side.ts';
import { validatedByKey } from './validated-config.ts';

/** Combinations of header types kept per value schema. */
const CACHED_VARIANTS = 64;

export const headerToValueConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'headers',
    'Header names list',
    'Header names in the record whose values are to be copied or moved to record value.',
    { type: 'LIST', validator: requiredValue },
  ),
  debeziumKey(
    'fields',
    'Field names list',
    'Field names, in the same order as the header names. Supports Struct nesting using dot notation.',
    { type: 'LIST', validator: requiredValue },
  ),
  debeziumKey(
    'operation',
    'Operation: mover or copy',
    'Either <code>move</code> if the headers are removed, or <code>copy</code> if they are retained.',
    {
      validator: (value, name) => requiredValue(value, name) ?? oneOfValues('move', 'copy')(value, name),
    },
  ),
]);

/** What goes where: a header under the path of its field. */
interface Addition {
  readonly path: readonly string[];
  readonly header: Header;
}

interface Variant {
  readonly additions: readonly Addition[];
  readonly schema: Schema;
}

export class HeaderToValue implements Transformation {
  #paths: ReadonlyMap<string, readonly string[]> = new Map();
  #moves = false;
  readonly #variants = new SchemaCache((_schema: Schema): Variant[] => []);

  configure(settings: RawConfig): void {
    const config = validatedByKey(headerToValueConfig, settings);
    const headers = config.list('headers');
    const fields = config.list('fields');
    if (headers.length !== fields.length) {
      throw settingError(
        'fields',
        "'fields' config must have the same number of elements as 'headers' config.",
      );
    }
    this.#paths = new Map(headers.map((header, i) => [header, (fields[i] ?? '').split('.')] as const));
    this.#moves = config.string('operation').toLowerCase() === 'move';
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (record.value === null) return record;
    const value = requireStruct(record.value, 'Header field insertion', record.valueSchema);
    // In the order of the record's headers; of several with one name the last counts.
    const wanted = new Map<string, Addition>();
    for (const header of record.headers) {
      const path = this.#paths.get(header.key);
      if (path !== undefined) wanted.set(header.key, { path, header });
    }
    if (wanted.size === 0) return record;
    const additions = [...wanted.values()];
    const valueSchema = this.#schemaFor(value.schema, additions);
    const headers = this.#moves ? record.headers.filter(({ key }) => !this.#paths.has(key)) : record.headers;
    return record.with({ valueSchema, value: extend(value, valueSchema, additions), headers });
  }

  #schemaFor(schema: Schema, additions: readonly Addition[]): Schema {
    const variants = this.#variants.of(schema);
    const known = variants.find((variant) => sameAdditions(variant.additions, additions));
    if (known) return known.schema;
    const made = extendedSchema(schema, additions);
    if (variants.length < CACHED_VARIANTS) variants.push({ additions, schema: made });
    return made;
  }
}

function sameAdditions(a: readonly Addition[], b: readonly Addition[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ path, header }, i) => path === b[i]?.path && header.schema === b[i].header.schema)
  );
}

/** The additions below a field, their paths without it. */
function below(additions: readonly Addition[], field: string): Addition[] {
  return additions
    .filter(({ path }) => path.length > 1 && path[0] === field)
    .map(({ path, header }) => ({ path: path.slice(1), header }));
}

function extendedSchema(schema: Schema, additions: readonly Addition[]): Schema {
  const fields = fieldPairs(schema).map(([name, field]) => {
    const inner = below(additions, name);
    if (inner.length === 0) return [name, field] as const;
    if (field.type !== 'struct') throw recordError(`Field ${name} is no struct and can hold no header`);
    return [name, extendedSchema(field, inner)] as const;
  });
  for (const { path, header } of additions) {
    const [name = ''] = path;
    if (path.length === 1) {
      if (!header.schema) throw recordError(`Header ${header.key} has no schema and cannot become a field`);
      fields.push([name, header.schema]);
    } else if (!fields.some(([each]) => each === name)) {
      fields.push([name, newParent(below(additions, name))]);
    }
  }
  return buildStruct(fields, basicsOf(schema));
}

/** A struct for additions whose parent the value does not have. */
function newParent(additions: readonly Addition[]): Schema {
  return extendedSchema(buildStruct([], {}), additions).with({ optional: true });
}

function extend(value: Struct | null, schema: Schema, additions: readonly Addition[]): Struct {
  return structOf(
    schema,
    schema.fields.map(({ name, schema: fieldSchema }) => {
      const added = additions.findLast(({ path }) => path.length === 1 && path[0] === name);
      if (added) return added.header.value;
      const original = value?.schema.field(name);
      const inner = below(additions, name);
      const content = value && original ? fieldValue(value, original.index, true) : null;
      if (inner.length === 0 || (original && !(content instanceof Struct))) return content;
      return extend(content instanceof Struct ? content : null, fieldSchema, inner);
    }),
  );
}
