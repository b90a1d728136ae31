// The connector configs of the differential: together every mode of values, with schemas and without.
import type { Config } from '../connectors.ts';

const WITHOUT_SCHEMAS: Config = {
  'key.converter.schemas.enable': 'false',
  'value.converter.schemas.enable': 'false',
};
const ONE_PARTITION: Config = {
  'topic.creation.enable': 'true',
  'topic.creation.default.partitions': '1',
  'topic.creation.default.replication.factor': '1',
};

export const CONFIGS: Readonly<Record<string, Config>> = {
  default: { ...ONE_PARTITION },
  strings: {
    ...ONE_PARTITION,
    ...WITHOUT_SCHEMAS,
    'decimal.handling.mode': 'string',
    'time.precision.mode': 'connect',
    'binary.handling.mode': 'base64',
    'interval.handling.mode': 'string',
    'hstore.handling.mode': 'map',
    'tombstones.on.delete': 'false',
    'include.unknown.datatypes': 'true',
  },
  transactions: {
    ...ONE_PARTITION,
    'decimal.handling.mode': 'double',
    'time.precision.mode': 'isostring',
    'binary.handling.mode': 'hex',
    'provide.transaction.metadata': 'true',
    'skipped.operations': 'none',
    'include.unknown.datatypes': 'true',
    'unavailable.value.placeholder': 'unchanged',
  },
  unwrapped: {
    ...ONE_PARTITION,
    ...WITHOUT_SCHEMAS,
    'time.precision.mode': 'adaptive_time_microseconds',
    'binary.handling.mode': 'base64-url-safe',
    'message.prefix.exclude.list': '.*',
    transforms: 'unwrap',
    'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
    'transforms.unwrap.add.fields': 'op,lsn,source.ts_ms,txId',
    'transforms.unwrap.add.headers': 'op,table',
    'transforms.unwrap.delete.tombstone.handling.mode': 'rewrite-with-tombstone',
  },
  partitioned: {
    'time.precision.mode': 'microseconds',
    'skip.messages.without.change': 'true',
    'column.propagate.source.type': '.*',
    'schema.name.adjustment.mode': 'avro',
    'field.name.adjustment.mode': 'avro',
    'xmin.fetch.interval.ms': '0',
  },
  nanoseconds: {
    ...ONE_PARTITION,
    ...WITHOUT_SCHEMAS,
    'time.precision.mode': 'nanoseconds',
    'column.exclude.list': '.*\\.(json|box|xml|inet_array)_\\d+',
    'column.truncate.to.3.chars': '.*\\.varchar_20_\\d+',
    'column.mask.with.5.chars': '.*\\.name_\\d+',
    'skipped.operations': 'u,t',
  },
};
