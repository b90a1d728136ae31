// org.apache.kafka.connect.transforms.Flatten$Key/$Value: nested fields become fields with joined names.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { BigDecimal, javaClassOf, type Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { recordError } from './errors.ts';
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

const PURPOSE = 'flattening';

export const flattenConfig: ConfigDef = new ConfigDef([
  {
    name: 'delimiter',
    type: 'STRING',
    default: '.',
    importance: 'MEDIUM',
    doc: 'Delimiter to insert between field names from the input record when generating field names for the output record.',
  },
]);

/** A field of the flat schema: the indexes that lead to it. */
interface Leaf {
  readonly name: string;
  readonly schema: Schema;
  readonly path: readonly number[];
}

export class Flatten implements Transformation {
  readonly #side: SideName;
  #delimiter = '.';
  #flat = new SchemaCache((schema) => this.#flatten(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    this.#delimiter = parseSettings(flattenConfig, settings).string('delimiter');
    this.#flat = new SchemaCache((schema) => this.#flatten(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    if (value === null) return record;
    const schema = schemaOf(this.#side, record);
    if (schema === null) {
      const flat = new Map<unknown, unknown>();
      this.#flattenMap(requireMap(value, PURPOSE), '', flat);
      return withSide(this.#side, record, null, flat);
    }
    const struct = requireStruct(value, PURPOSE, schema);
    const { schema: flat, leaves } = this.#flat.of(schema);
    const values = leaves.map(({ path }) => valueAt(struct, path));
    return withSide(this.#side, record, flat, structOf(flat, values));
  }

  #nameOf(prefix: string, name: string): string {
    return prefix === '' ? name : `${prefix}${this.#delimiter}${name}`;
  }

  #flatten(schema: Schema): { schema: Schema; leaves: readonly Leaf[] } {
    const leaves: Leaf[] = [];
    this.#collect(schema, { prefix: '', path: [], optional: schema.optional, fallback: null }, leaves);
    return {
      schema: buildStruct(
        leaves.map((leaf) => [leaf.name, leaf.schema] as const),
        basicsOf(schema),
      ),
      leaves,
    };
  }

  #collect(
    schema: Schema,
    within: { prefix: string; path: readonly number[]; optional: boolean; fallback: Struct | null },
    leaves: Leaf[],
  ): void {
    for (const field of schema.fields) {
      const name = this.#nameOf(within.prefix, field.name);
      const path = [...within.path, field.index];
      const optional = within.optional || field.schema.optional;
      const own = field.schema.defaultValue ?? null;
      const fallback = own ?? within.fallback?.get(field.name) ?? null;
      if (field.schema.type === 'map') {
        throw recordError(
          `Flatten transformation does not support MAP for record with schemas (for field ${name}).`,
        );
      }
      if (field.schema.type === 'struct') {
        const inner = fallback instanceof Struct ? fallback : null;
        this.#collect(field.schema, { prefix: name, path, optional, fallback: inner }, leaves);
      } else {
        const leaf = field.schema.with({ optional, defaultValue: fallback ?? undefined });
        leaves.push({ name, path, schema: leaf });
      }
    }
  }

  #flattenMap(map: ReadonlyMap<unknown, unknown>, prefix: string, flat: Map<unknown, unknown>): void {
    for (const [key, value] of map) {
      const name = this.#nameOf(prefix, String(key));
      if (value instanceof Map) this.#flattenMap(value, name, flat);
      else if (value instanceof Struct) {
        throw recordError(
          `Flatten transformation does not support STRUCT for record without schemas (for field ${name}).`,
        );
      } else if (value instanceof Date || value instanceof BigDecimal) {
        throw recordError(
          `Flatten transformation was passed a value of type class ${javaClassOf(value)} which is not supported by Connect's data API`,
        );
      } else flat.set(name, value);
    }
  }
}

/** The value the indexes lead to, defaults in place of null; null below a struct that is null. */
function valueAt(struct: Struct, path: readonly number[]): unknown {
  let current: unknown = struct;
  for (const index of path) {
    if (!(current instanceof Struct)) return null;
    current = fieldValue(current, index, true);
  }
  return current;
}
