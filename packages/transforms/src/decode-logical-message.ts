// io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent: the JSON in a logical message
// (pg_logical_emit_message) becomes an insert event, which an outbox router can take.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { type Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION, debeziumKey } from './debezium-keys.ts';
import { recordError } from './errors.ts';
import { JsonPayload } from './outbox/json-payload.ts';
import { basicsOf, buildStruct, fieldPairs, SchemaCache, structOf } from './side.ts';
import { validatedByKey } from './validated-config.ts';

const MESSAGE = 'io.debezium.connector.postgresql.MessageValue';

export const decodeLogicalDecodingMessageContentConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'fields.null.include',
    'Defines whether to include fields with null values to the decoded structure',
    'Whether null fields of the JSON become optional bytes fields; without, they are left out.',
    { type: 'BOOLEAN', default: false, importance: 'MEDIUM', width: 'MEDIUM' },
  ),
]);

export class DecodeLogicalDecodingMessageContent implements Transformation {
  #json = new JsonPayload('ignore');
  readonly #events = new SchemaCache(
    (message: Schema) => new SchemaCache((content: Schema) => eventSchema(message, content)),
  );

  configure(settings: RawConfig): void {
    const config = validatedByKey(decodeLogicalDecodingMessageContentConfig, settings);
    this.#json = new JsonPayload(config.boolean('fields.null.include') ? 'optional_bytes' : 'ignore');
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const { value } = record;
    if (!(value instanceof Struct) || value.schema.name !== MESSAGE) return record;
    const message = value.schema.field('message') ? value.getRaw('message') : null;
    const content =
      message instanceof Struct && message.schema.field('content') ? message.getRaw('content') : null;
    if (!(content instanceof Uint8Array)) {
      throw recordError('The logical message has no content to decode', 'java.lang.NullPointerException');
    }
    const text = Buffer.from(content).toString('utf8');
    const decoded = this.#json.expand('', text);
    if (!decoded) {
      throw recordError(
        `Unable to parse logical decoding message content JSON string '${text}'`,
        DEBEZIUM_EXCEPTION,
      );
    }
    if (!(decoded.value instanceof Struct) || !decoded.schema) {
      throw recordError(`Not a struct schema: Schema{${decoded.schema?.type.toUpperCase() ?? 'null'}}`);
    }
    const schema = this.#events.of(value.schema).of(decoded.schema);
    const values = schema.fields.map(({ name }) => {
      if (name === 'op') return 'c';
      return name === 'after' ? decoded.value : value.getRaw(name);
    });
    return record.with({ keySchema: null, key: null, valueSchema: schema, value: structOf(schema, values) });
  }
}

function eventSchema(message: Schema, content: Schema): Schema {
  const fields = fieldPairs(message).filter(([name]) => name !== 'message');
  return buildStruct([...fields, ['after', content]], {
    ...basicsOf(message),
    version: null,
    name: `${MESSAGE}.Envelope`,
  });
}
