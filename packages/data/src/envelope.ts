// The change event envelope of relational connectors and the schemas around it: names, field order and versions are
// Debezium's.
import { INT64, optional, primitive, type Schema, STRING, structSchema } from './schema.ts';

/** `c` create, `u` update, `d` delete, `r` read (snapshot), `t` truncate, `m` logical message. */
export type Operation = 'c' | 'u' | 'd' | 'r' | 't' | 'm';

/** Positions of the envelope's fields. */
export const ENVELOPE = {
  before: 0,
  after: 1,
  source: 2,
  transaction: 3,
  op: 4,
  tsMs: 5,
  tsUs: 6,
  tsNs: 7,
} as const;

const OPTIONAL_INT64 = optional(INT64);

/** The `transaction` block of data records. */
export const TRANSACTION_BLOCK: Schema = structSchema(
  [
    ['id', STRING],
    ['total_order', INT64],
    ['data_collection_order', INT64],
  ],
  { name: 'event.block', version: 1, optional: true },
);

/** The envelope of a relational table; `row` is made optional, `name` is the topic's name plus `.Envelope`. */
export function envelopeSchema(name: string, row: Schema, source: Schema): Schema {
  const optionalRow = optional(row);
  return structSchema(
    [
      ['before', optionalRow],
      ['after', optionalRow],
      ['source', source],
      ['transaction', TRANSACTION_BLOCK],
      ['op', STRING],
      ['ts_ms', OPTIONAL_INT64],
      ['ts_us', OPTIONAL_INT64],
      ['ts_ns', OPTIONAL_INT64],
    ],
    { name, version: 2 },
  );
}

/** Whether a value schema is that of a change event: Debezium's own test is the name's ending. */
export function isEnvelope(schema: Schema | null): schema is Schema {
  return schema?.name?.endsWith('.Envelope') ?? false;
}

const SNAPSHOT_MARKERS = 'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental';

/** A source block: the common fields, then the connector's own. */
export function sourceSchema(name: string, own: readonly (readonly [string, Schema])[]): Schema {
  return structSchema(
    [
      ['version', STRING],
      ['connector', STRING],
      ['name', STRING],
      ['ts_ms', INT64],
      [
        'snapshot',
        primitive('string', {
          name: 'io.debezium.data.Enum',
          version: 1,
          parameters: { allowed: SNAPSHOT_MARKERS },
          optional: true,
          defaultValue: 'false',
        }),
      ],
      ['db', STRING],
      ['sequence', optional(STRING)],
      ['ts_us', OPTIONAL_INT64],
      ['ts_ns', OPTIONAL_INT64],
      ...own,
    ],
    { name, version: 1 },
  );
}

/** The version in `source.version`: that of the Debezium contract we speak. */
export const CONTRACT_VERSION = '3.6.2.Final';
