/** The plug-in contract: connectors, tasks, records, converters, transformations. */
export type {
  Connector,
  ConnectorContext,
  ConnectorPlugin,
  ConnectorValidation,
  Plugin,
  PluginEntry,
  SinkConnectorPlugin,
  SourceConnectorPlugin,
} from './connector.ts';
export type {
  Converter,
  ConverterPlugin,
  HeaderConverter,
  HeaderConverterPlugin,
  Predicate,
  PredicatePlugin,
  Transformation,
  TransformationPlugin,
} from './convert.ts';
export {
  ConnectRecord,
  type DeferredOffset,
  type Header,
  type Headers,
  type JsonValue,
  NO_HEADERS,
  type OffsetMap,
  offsetMapOf,
  type RecordChanges,
  type RecordCoordinates,
  SinkRecord,
  type SinkRecordInit,
  type SourceOffset,
  type SourcePartition,
  SourceRecord,
  type SourceRecordInit,
  type TimestampType,
} from './record.ts';
export type {
  CommittedOffset,
  ErrantRecordReporter,
  OffsetReader,
  PartitionPosition,
  SinkTask,
  SinkTaskContext,
  SourceBatch,
  SourceTask,
  SourceTaskContext,
  TaskContext,
  TopicPartition,
} from './task.ts';
export type { TopicLog, TopicLogOptions, TopicLogRecord } from './topic-log.ts';
