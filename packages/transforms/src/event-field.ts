// References to fields of a change event, as `add.fields` and `add.headers` name them: `op`, `source.lsn`, `table:tbl`.
import { type Schema, Struct } from '@millrace/data';
import { recordError } from './errors.ts';

const TRANSACTION_FIELDS = new Set(['id', 'total_order', 'data_collection_order']);
const ROOT_FIELDS = new Set(['op', 'ts_ms', 'ts_us', 'ts_ns', 'before', 'after', 'source', 'transaction']);

/** One reference. `name` is what the value is called in the result. */
export class EventField {
  readonly name: string;
  readonly #struct: string | undefined;
  readonly #field: string;
  /** A struct that was named and is not in the event is an error; a bare name that is not there is left out. */
  readonly #named: boolean;

  constructor(reference: string, prefix: string) {
    const [path = '', rename, ...rest] = reference.split(':');
    if (rest.length > 0) throw recordError(`Unexpected field name: ${reference}`);
    const parts = path.split('.');
    if (parts.length > 2) throw recordError(`Unexpected field value: ${path}`);
    this.#named = parts.length === 2;
    if (this.#named) {
      this.#struct = parts[0];
      this.#field = parts[1] ?? '';
    } else {
      this.#field = path;
      this.#struct = bareStruct(path);
    }
    this.name = prefix + (rename ?? path.replace('.', '_'));
  }

  get isOperation(): boolean {
    return this.#struct === undefined && this.#field === 'op';
  }

  /** The optional schema of the field in events of this schema; undefined when they have none. */
  schemaIn(envelope: Schema): Schema | undefined {
    if (this.#struct === undefined) {
      const root = envelope.field(this.#field)?.schema;
      return root && optionalWithoutDefault(root);
    }
    const struct = envelope.field(this.#struct)?.schema;
    if (!struct && this.#named) throw recordError(`Unable to find field ${this.#struct} in the event`);
    const found = struct?.field(this.#field)?.schema;
    return found && optionalWithoutDefault(found);
  }

  valueIn(envelope: Struct): unknown {
    if (this.#struct === undefined) return envelope.getRaw(this.#field);
    const struct = envelope.getRaw(this.#struct);
    return struct instanceof Struct ? struct.getRaw(this.#field) : null;
  }
}

const added = new WeakMap<Schema, Schema>();

/** What is added may be absent, and null stays null. */
function optionalWithoutDefault(schema: Schema): Schema {
  let made = added.get(schema);
  if (!made) {
    made = schema.with({ optional: true, defaultValue: undefined });
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
