// References to fields of a change event, as `add.fields` and `add.headers` name them: `op`, `source.lsn`, `table:tbl`.
import type { Header } from '@millrace/connect-api';
import { Schema, Struct } from '@millrace/data';
import { recordError } from './errors.ts';
import { basicsOf } from './side.ts';

const TRANSACTION_FIELDS = new Set(['id', 'total_order', 'data_collection_order']);
const ROOT_FIELDS = new Set(['op', 'ts_ms', 'ts_us', 'ts_ns']);

/** One reference. `name` is what the value is called in the result. */
export class EventField {
  readonly name: string;
  readonly #struct: string | undefined;
  readonly #field: string;
  /** A struct that was named and is not in the event is an error; a bare name that is not there is left out. */
  readonly #named: boolean;

  constructor(reference: string, prefix: string) {
    const [path = '', rename, ...rest] = reference.replace(/:+$/, '').split(':');
    if (rest.length > 0) throw recordError(`Unexpected field name: ${reference}`);
    const [first = '', second] = path.split('.');
    this.#named = second !== undefined;
    this.#struct = second === undefined ? bareStruct(first) : first;
    this.#field = second ?? first;
    this.name = prefix + (rename ?? (second === undefined ? first : `${first}_${second}`));
  }

  get isOperation(): boolean {
    return this.#struct === undefined && this.#field === 'op';
  }

  /** The optional schema of the field in events of this schema; undefined when they have none. */
  schemaIn(envelope: Schema): Schema | undefined {
    const found = this.#sourceSchemaIn(envelope);
    return found && addedSchema(found);
  }

  #sourceSchemaIn(envelope: Schema): Schema | undefined {
    if (this.#struct === undefined) return envelope.field(this.#field)?.schema;
    const struct = envelope.field(this.#struct)?.schema;
    if (!struct && this.#named) throw recordError(`Unable to find field ${this.#struct} in the event`);
    // Another transform may have added it to the event itself.
    return (struct?.field(this.#field) ?? envelope.field(this.#field))?.schema;
  }

  /** The value for a row's field of that schema; one that the schema has no room for is an error, as in Connect. */
  checkedValueIn(envelope: Struct, schema: Schema): unknown {
    const value = this.valueIn(envelope);
    if (value instanceof Struct && !value.schema.equals(schema))
      throw recordError('Struct schemas do not match.');
    if (value instanceof Map) throw recordError(`No schema defined for key of map field: "${this.name}"`);
    return value;
  }

  /** The field as a header, whose value decides how it is written; undefined when the event has none. */
  headerIn(envelope: Struct): Header | undefined {
    const found = this.#sourceSchemaIn(envelope.schema);
    if (!found) return undefined;
    const value = this.valueIn(envelope);
    const isWhole = value instanceof Struct || value instanceof Map;
    return { key: this.name, schema: isWhole ? found : addedSchema(found), value };
  }

  valueIn(envelope: Struct): unknown {
    if (this.#struct === undefined) return envelope.getRaw(this.#field);
    const struct = envelope.getRaw(this.#struct);
    if (!(struct instanceof Struct)) return null;
    return (struct.schema.field(this.#field) ? struct : envelope).getRaw(this.#field);
  }
}

const added = new WeakMap<Schema, Schema>();

/** What is added may be absent, and null stays null. Debezium copies neither the fields of a struct nor the types of a map. */
function addedSchema(schema: Schema): Schema {
  let made = added.get(schema);
  if (!made) {
    const { type, valueSchema } = schema;
    const basics = { ...basicsOf(schema), optional: true };
    made = new Schema(type, type === 'array' && valueSchema !== null ? { ...basics, valueSchema } : basics);
    added.set(schema, made);
  }
  return made;
}

/** Where a name without a struct is looked up. */
function bareStruct(field: string): string | undefined {
  if (ROOT_FIELDS.has(field)) return undefined;
  if (TRANSACTION_FIELDS.has(field)) return 'transaction';
  return field === 'updateDescription' ? undefined : 'source';
}

/** Parses a list; blank entries are left out. */
export function parseEventFields(references: readonly string[], prefix: string): EventField[] {
  return references
    .filter((reference) => reference !== '')
    .map((reference) => new EventField(reference, prefix));
}
