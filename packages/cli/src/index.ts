/** Change events in a program of your own: the library. `millrace/start` has what the command `millrace start` runs. */
export { MillraceError, policyOf, remedyOf } from '@millrace/foundation';
export type {
  ChangeEvent,
  EventBase,
  EventSource,
  JsonEvent,
  OtherEvent,
  RowChange,
  Tombstone,
} from './library/events.ts';
export { Millrace } from './library/millrace.ts';
export { fileOffsets } from './library/offsets/file-offsets.ts';
export {
  type PostgresConnection,
  type PostgresOffsetsOptions,
  postgresOffsets,
} from './library/offsets/postgres-offsets.ts';
export { type RedisOffsetsOptions, redisOffsets } from './library/offsets/redis-offsets.ts';
export type { SourceOffsets } from './library/offsets/source-offsets.ts';
export type { ConnectorConfig, MillraceOptions } from './library/options.ts';
export type { PlainObject } from './library/plain-values.ts';
