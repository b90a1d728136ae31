/** What source connectors share. */
export { ChangeQueue, type ChangeQueueOptions, type QueuedBatch } from './change-queue.ts';
export { type ColumnChange, type ColumnChanges, columnChanges, isColumnChangeKey } from './column-changes.ts';
export {
  type ContextHeaderOptions,
  contextHeaders,
  NEW_KEY_HEADER,
  OLD_KEY_HEADER,
  timeOrderedUuid,
  withKeyHeader,
} from './context-headers.ts';
export { FileSignals, type FileSignalsOptions } from './file-signals.ts';
export { Heartbeat, type HeartbeatOptions } from './heartbeat.ts';
export { javaSetOrder } from './java-set-order.ts';
export { matchesAny, type NameFilter, nameFilter, namePatterns } from './name-filter.ts';
export { splitList } from './name-list.ts';
export {
  type Notification,
  type NotificationAggregate,
  Notifications,
  type NotificationsOptions,
  type NotificationType,
} from './notifications.ts';
export {
  isPostProcessorKey,
  postProcessorProblem,
  type ReselectRules,
  reselectRules,
} from './post-processors.ts';
export { PrivateRecords } from './private-records.ts';
export {
  parseSignal,
  type Signal,
  type SnapshotRequest,
  snapshotRequest,
} from './signals.ts';
export {
  SnapshotProgress,
  type SnapshotState,
  type SnapshotTable,
  type SnapshotView,
  type TableProgress,
} from './snapshot-progress.ts';
export {
  SourceLag,
  type SourceMetricsOptions,
  type StreamingState,
  showSourceMetrics,
} from './source-metrics.ts';
export { StreamCounts } from './stream-counts.ts';
export {
  type ChangeContext,
  keyDiffers,
  type ProcessedAt,
  TableEvents,
  type TableEventsOptions,
  withAfter,
} from './table-events.ts';
export { TopicSignals, type TopicSignalsOptions } from './topic-signals.ts';
export {
  TRANSACTION_ID_KEY,
  TransactionMetadata,
  type TransactionTopic,
} from './transaction-metadata.ts';
