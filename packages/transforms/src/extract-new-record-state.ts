// io.debezium.transforms.ExtractNewRecordState: the row out of a change event. A row passes through as it is unless
// fields are added or dropped, so raw rows stay raw.
import type { ConnectRecord, Header, Transformation } from '@millrace/connect-api';
import { isEnvelope, optional, type Schema, STRING, Struct } from '@millrace/data';
import { ConfigDef, type ConfigKey, MillraceError, type RawConfig } from '@millrace/foundation';
import { oneOfValues } from './debezium-keys.ts';
import { DeleteHeaders } from './delete-headers.ts';
import { ILLEGAL_ARGUMENT, recordError } from './errors.ts';
import { EventField, parseEventFields } from './event-field.ts';
import { basicsOf, buildStruct, fieldPairs, fieldValue, SchemaCache, structOf } from './side.ts';

type DeleteMode = 'drop' | 'tombstone' | 'rewrite' | 'rewrite-with-tombstone' | 'delete-to-tombstone';
/** In the order in which Debezium names them. */
const DELETE_MODES: readonly DeleteMode[] = [
  'drop',
  'tombstone',
  'rewrite-with-tombstone',
  'rewrite',
  'delete-to-tombstone',
];

function key(
  name: string,
  type: ConfigKey['type'],
  fallback: ConfigKey['default'] & (string | boolean | null | readonly string[]),
  displayName: string,
  doc: string,
  width: ConfigKey['width'] = 'LONG',
): ConfigKey {
  return { name, type, default: fallback, importance: 'LOW', width, displayName, doc, orderInGroup: 1 };
}

export const extractNewRecordStateConfig: ConfigDef = new ConfigDef([
  {
    ...key(
      'delete.tombstone.handling.mode',
      'STRING',
      'tombstone',
      'Handle delete and tombstone records',
      'What becomes of delete events and tombstones: drop, tombstone, rewrite, rewrite-with-tombstone or delete-to-tombstone.',
      'MEDIUM',
    ),
    importance: 'MEDIUM',
    validator: oneOfValues(...DELETE_MODES),
  },
  key(
    'route.by.field',
    'STRING',
    '',
    'Route by field name',
    'The column which determines how the events will be routed, the value will replace the topic name.',
  ),
  key(
    'add.fields.prefix',
    'STRING',
    '__',
    'Field prefix to be added to each field.',
    'Adds this prefix to each field listed.',
    'SHORT',
  ),
  key(
    'add.fields',
    'LIST',
    [],
    'Adds the specified field(s) to the message if they exist.',
    'Fields of the event to add to the row, as name or struct.name, each with an optional :newname.',
  ),
  key(
    'add.headers.prefix',
    'STRING',
    '__',
    'Header prefix to be added to each header.',
    'Adds this prefix to each header listed.',
    'SHORT',
  ),
  key(
    'add.headers',
    'LIST',
    [],
    'Adds the specified fields to the header if they exist.',
    'Fields of the event to add as headers, as name or struct.name, each with an optional :newname.',
  ),
  key(
    'drop.fields.header.name',
    'STRING',
    null,
    'Specifies a header that contains a list of field names to be removed',
    'The name of a header that lists fields to remove.',
    'SHORT',
  ),
  key(
    'drop.fields.from.key',
    'BOOLEAN',
    false,
    'Specifies whether the fields to be dropped should also be omitted from the key',
    'Whether fields are removed from the key too.',
    'SHORT',
  ),
  key(
    'drop.fields.keep.schema.compatible',
    'BOOLEAN',
    true,
    "Specifies if fields are dropped, will the event's schemas be compatible",
    'Whether only optional fields are removed, so that schemas stay compatible.',
    'SHORT',
  ),
  key(
    'replace.null.with.default',
    'BOOLEAN',
    true,
    'Replace null values with default values',
    'Whether null fields get their default when the row is rebuilt.',
    'SHORT',
  ),
]);

const DELETED_FIELD = '__deleted';
const OPTIONAL_STRING = optional(STRING);

interface Row {
  readonly schema: Schema;
  readonly struct: Struct;
}

export class ExtractNewRecordState implements Transformation {
  #mode: DeleteMode = 'tombstone';
  #routeField = '';
  #addFields: readonly EventField[] = [];
  #addHeaders: readonly EventField[] = [];
  #dropHeader: string | undefined;
  #dropFromKey = false;
  #dropOptionalOnly = true;
  #fillDefaults = true;
  readonly #headers = new DeleteHeaders();
  /** Row schema -> envelope schema -> row schema with the added fields. */
  #extended = new SchemaCache((row: Schema) => new SchemaCache((envelope) => this.#extend(row, envelope)));

  configure(settings: RawConfig): void {
    const { config, problems } = extractNewRecordStateConfig.parse(settings, () => true);
    if (problems.length > 0) {
      throw new MillraceError('config.invalid', 'Unable to validate config.', {
        hint: problems.map((problem) => problem.message).join('; '),
        ...(problems[0] ? { configKey: problems[0].key } : {}),
      });
    }
    this.#mode = config.string('delete.tombstone.handling.mode').toLowerCase() as DeleteMode;
    this.#routeField = config.string('route.by.field');
    this.#addFields = parseEventFields(config.list('add.fields'), config.string('add.fields.prefix'));
    this.#addHeaders = parseEventFields(config.list('add.headers'), config.string('add.headers.prefix'));
    this.#dropHeader = config.optionalString('drop.fields.header.name');
    this.#dropFromKey = config.boolean('drop.fields.from.key');
    this.#dropOptionalOnly = config.boolean('drop.fields.keep.schema.compatible');
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#extended = new SchemaCache(
      (row: Schema) => new SchemaCache((envelope) => this.#extend(row, envelope)),
    );
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (record.value === null) return this.#tombstone(record);
    const envelope = record.value;
    if (!isEnvelope(record.valueSchema) || !(envelope instanceof Struct)) return record;
    const op = textOf(envelope, 'op');
    if (op === 't') return null;
    if (op === 'm') return record;
    // It was flattened, say, and has kept the name of its schema.
    if (!envelope.schema.field('after')) throw recordError('Unknown field: after', ILLEGAL_ARGUMENT);
    const headers = this.#headersFor(record, envelope);
    const isDelete = op === 'd';
    const row = envelope.getRaw(isDelete ? 'before' : 'after');
    const routed = this.#routeField === '' ? record : this.#route(record, row);
    if (isDelete) return this.#delete(routed, envelope, row, headers);
    return row instanceof Struct ? this.#row(routed, envelope, row, headers, 'false') : null;
  }

  #tombstone<R extends ConnectRecord>(record: R): R | null {
    if (this.#mode !== 'rewrite-with-tombstone') return null;
    if (this.#addHeaders.length === 0) return record;
    // Of a tombstone only the operation is known.
    const op = this.#addHeaders.find((field) => field.isOperation);
    const own = op ? [{ key: op.name, schema: STRING, value: 'd' }] : [];
    return record.with({ headers: this.#headers.add(record, own) });
  }

  #headersFor(record: ConnectRecord, envelope: Struct): readonly Header[] {
    if (this.#addHeaders.length === 0) return record.headers;
    const added: Header[] = [];
    for (const field of this.#addHeaders) {
      const header = field.headerIn(envelope);
      if (header) added.push(header);
    }
    return this.#headers.add(record, added);
  }

  #delete<R extends ConnectRecord>(
    record: R,
    envelope: Struct,
    row: unknown,
    headers: readonly Header[],
  ): R | null {
    switch (this.#mode) {
      case 'drop':
        return null;
      case 'tombstone': {
        // The real tombstone that follows is dropped; this one keeps the row's schema, as Debezium's does.
        const rowSchema = envelope.schema.field('before')?.schema ?? null;
        return record.with({ valueSchema: rowSchema, value: null, headers, ...this.#keyOf(record) });
      }
      case 'delete-to-tombstone':
        return record.with({ valueSchema: null, value: null, headers, ...this.#keyOf(record) });
      case 'rewrite':
      case 'rewrite-with-tombstone':
        return row instanceof Struct ? this.#row(record, envelope, row, headers, 'true') : null;
      default:
        return this.#mode satisfies never;
    }
  }

  #row<R extends ConnectRecord>(
    record: R,
    envelope: Struct,
    row: Struct,
    headers: readonly Header[],
    deleted: 'true' | 'false',
  ): R {
    const listed = this.#droppedFields(record);
    const whole = (): Row => this.#withAdded(this.#marked(row, deleted), envelope);
    // Of a delete fields are dropped before others are added, of other rows afterwards.
    const made =
      listed === undefined
        ? this.#extendedRow(row, envelope, deleted)
        : deleted === 'true'
          ? this.#withAdded(this.#without(this.#marked(row, deleted), listed), envelope)
          : this.#without(whole(), listed);
    return record.with({ valueSchema: made.schema, value: made.struct, headers, ...this.#keyOf(record) });
  }

  get #rewrites(): boolean {
    return this.#mode === 'rewrite' || this.#mode === 'rewrite-with-tombstone';
  }

  /** The row with all that is added to it, made at once. */
  #extendedRow(row: Struct, envelope: Struct, deleted: string): Row {
    const schema = requiredForm(row.schema);
    if (!this.#rewrites && this.#addFields.length === 0) return { schema, struct: row };
    const fill = this.#rewrites && this.#fillDefaults;
    const extended = this.#extended.of(schema).of(envelope.schema);
    const values = row.schema.fields.map((field) => fieldValue(row, field.index, fill));
    if (this.#rewrites) values.push(deleted);
    for (const field of this.#addFields) {
      const added = field.schemaIn(envelope.schema);
      if (added) values.push(field.checkedValueIn(envelope, added));
    }
    return { schema: extended, struct: structOf(extended, values) };
  }

  #marked(row: Struct, deleted: string): Row {
    const required = requiredForm(row.schema);
    if (!this.#rewrites) return { schema: required, struct: row };
    const schema = buildStruct(
      [...fieldPairs(required), [DELETED_FIELD, OPTIONAL_STRING]],
      basicsOf(required),
    );
    const values = row.schema.fields.map((field) => fieldValue(row, field.index, this.#fillDefaults));
    return { schema, struct: structOf(schema, [...values, deleted]) };
  }

  #withAdded(row: Row, envelope: Struct): Row {
    const added = this.#addFields.flatMap((field) => {
      const schema = field.schemaIn(envelope.schema);
      return schema ? [{ name: field.name, schema, value: field.checkedValueIn(envelope, schema) }] : [];
    });
    if (added.length === 0) return row;
    const schema = buildStruct(
      [...fieldPairs(row.schema), ...added.map((field) => [field.name, field.schema] as const)],
      basicsOf(row.schema),
    );
    const values = row.struct.schema.fields.map((field) => row.struct.at(field.index));
    return { schema, struct: structOf(schema, [...values, ...added.map((field) => field.value)]) };
  }

  /** Null becomes the default of its field where one is dropped, whatever the config says of nulls. */
  #without({ schema, struct }: Row, listed: ReadonlySet<string>): Row {
    const kept = schema.fields.filter((field) => !this.#isDropped(field, listed));
    if (this.#dropOptionalOnly && kept.length === schema.fields.length) return { schema, struct };
    const made = buildStruct(
      kept.map((field) => [field.name, field.schema] as const),
      basicsOf(schema),
    );
    const values = kept.map((field) => fieldValue(struct, field.index, true));
    return { schema: made, struct: structOf(made, values) };
  }

  #isDropped(
    field: { readonly name: string; readonly schema: Schema },
    listed: ReadonlySet<string>,
  ): boolean {
    return listed.has(field.name) && (!this.#dropOptionalOnly || field.schema.optional);
  }

  #extend(row: Schema, envelope: Schema): Schema {
    const fields = fieldPairs(row);
    if (this.#mode === 'rewrite' || this.#mode === 'rewrite-with-tombstone')
      fields.push([DELETED_FIELD, OPTIONAL_STRING]);
    for (const field of this.#addFields) {
      const schema = field.schemaIn(envelope);
      if (schema) fields.push([field.name, schema]);
    }
    return buildStruct(fields, basicsOf(row));
  }

  #droppedFields(record: ConnectRecord): ReadonlySet<string> | undefined {
    if (this.#dropHeader === undefined) return undefined;
    const header = record.headers.find((each) => each.key === this.#dropHeader);
    return Array.isArray(header?.value) && header.value.length > 0
      ? new Set(header.value.map(String))
      : undefined;
  }

  /** The key without the fields that are dropped, where that is asked for. */
  #keyOf(record: ConnectRecord): { keySchema?: Schema; key?: unknown } {
    const listed = this.#dropFromKey ? this.#droppedFields(record) : undefined;
    const { key } = record;
    if (listed === undefined || !(key instanceof Struct)) return {};
    const { schema, struct } = this.#without({ schema: key.schema, struct: key }, listed);
    return { keySchema: schema, key: struct };
  }

  #route<R extends ConnectRecord>(record: R, row: unknown): R {
    if (!(row instanceof Struct)) return record;
    const field = row.schema.field(this.#routeField);
    if (!field) throw recordError(`${this.#routeField} is not a valid field name`);
    if (field.schema.type !== 'string')
      throw recordError(`Field '${this.#routeField}' is not of type STRING`);
    const value = row.getRaw(this.#routeField);
    return typeof value === 'string' && value.trim() !== '' ? record.with({ topic: value }) : record;
  }
}

const requiredForms = new WeakMap<Schema, Schema>();

/** Rows stand as optional in the envelope; on their own they are required. */
function requiredForm(schema: Schema): Schema {
  if (!schema.optional) return schema;
  let required = requiredForms.get(schema);
  if (!required) {
    required = schema.with({ optional: false });
    requiredForms.set(schema, required);
  }
  return required;
}

function textOf(struct: Struct, field: string): string {
  const value = struct.schema.field(field) ? struct.getRaw(field) : '';
  return typeof value === 'string' ? value : '';
}
