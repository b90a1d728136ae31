// What makes the records of a table, from its schema and what all tables of a connector share.
import { TableEvents, type TableEventsOptions } from '@millrace/connector-common';
import type { TableSchema } from './table-schema.ts';

export type SharedByTables = Pick<
  TableEventsOptions,
  'headers' | 'sourcePartition' | 'tombstones' | 'skipped'
>;

export function tableEvents(schema: TableSchema, shared: SharedByTables): TableEvents {
  const { topic, keySchema, envelopeSchema } = schema;
  const { headers, sourcePartition, tombstones, skipped } = shared;
  return new TableEvents({
    topic,
    keySchema,
    envelopeSchema,
    headers,
    sourcePartition,
    tombstones,
    ...(skipped === undefined ? {} : { skipped }),
  });
}
