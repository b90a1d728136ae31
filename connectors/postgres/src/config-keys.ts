// The config keys of the connector: names, types, defaults and metadata of Debezium 3.6 (contract 3), one row a key.
// Long by nature: it is the reference that validation, docs and forms are made from.
import { ConfigDef, type ConfigKey, type ConfigType, type ConfigValue, type Importance, type Width } from '@millrace/foundation';

interface RowExtras {
  /** The values the key may have; validation and forms offer them. */
  readonly values?: readonly string[];
  readonly dependents?: readonly string[];
  readonly hidden?: boolean;
  /** Has the number of the key before it. */
  readonly sameOrder?: boolean;
}
type Row = readonly [
  name: string,
  type: ConfigType,
  defaultValue: ConfigValue,
  importance: Importance,
  width: Width,
  displayName: string,
  doc: string,
  extras?: RowExtras,
];

const POSTGRES: readonly Row[] = [
  ['topic.prefix', 'STRING', null, 'HIGH', 'MEDIUM', 'Topic prefix', 'Name of this stream of changes: first part of every topic, and the key of its offsets. Changing it reads everything again.'],
  ['database.hostname', 'STRING', null, 'HIGH', 'MEDIUM', 'Hostname', 'Host name or address of the server.'],
  ['database.port', 'INT', 5432, 'HIGH', 'SHORT', 'Port', 'Port of the server.'],
  ['database.user', 'STRING', null, 'HIGH', 'SHORT', 'User', 'User to connect as; needs LOGIN, REPLICATION and SELECT on the tables.'],
  ['database.password', 'PASSWORD', null, 'HIGH', 'SHORT', 'Password', 'Password of the user.'],
  ['database.dbname', 'STRING', null, 'HIGH', 'MEDIUM', 'Database', 'Database to capture.'],
  ['database.query.timeout.ms', 'INT', 600000, 'LOW', 'NONE', 'Query timeout', 'Milliseconds after which a query is given up; 0 waits without limit.'],
  ['plugin.name', 'STRING', 'decoderbufs', 'MEDIUM', 'MEDIUM', 'Plugin', 'Logical decoding plug-in of the server. pgoutput is the one supported, and used when the key is absent.', { values: ['decoderbufs', 'pgoutput'] }],
  ['slot.name', 'STRING', 'debezium', 'MEDIUM', 'MEDIUM', 'Slot', 'Replication slot to read; created when absent. Each connector needs its own.'],
  ['publication.name', 'STRING', 'dbz_publication', 'MEDIUM', 'MEDIUM', 'Publication', 'Publication to read.'],
  ['publication.autocreate.mode', 'STRING', 'all_tables', 'MEDIUM', 'MEDIUM', 'Publication Auto Create Mode', 'What to do about the publication: all_tables creates one for all tables, filtered one for the captured tables, no_tables an empty one, disabled expects one to be there.', { values: ['no_tables', 'filtered', 'disabled', 'all_tables'] }],
  ['replica.identity.autoset.values', 'STRING', null, 'MEDIUM', 'LONG', 'Replica Identity Auto Set Values', 'Replica identities to set at start: pattern:IDENTITY pairs, separated by commas. IDENTITY is DEFAULT, FULL, NOTHING or INDEX name.'],
  ['slot.drop.on.stop', 'BOOLEAN', false, 'MEDIUM', 'NONE', 'Drop slot on stop', 'Drop the slot when the connector stops in an orderly way. Changes made while it is stopped are then lost to it.'],
  ['slot.failover', 'BOOLEAN', false, 'MEDIUM', 'NONE', 'Create failover slot', 'Create the slot as a failover slot (Postgres 17 and up).'],
  ['slot.stream.params', 'STRING', null, 'LOW', 'LONG', 'Optional parameters to pass to the logical decoder when the stream is started.', 'Further options for the decoding plug-in, as name=value pairs separated by semicolons.'],
  ['database.initial.statements', 'STRING', null, 'LOW', 'LONG', 'Initial statements', 'Statements to run on each new session, separated by semicolons; a double semicolon stands for one.'],
  ['database.sslmode', 'STRING', 'prefer', 'MEDIUM', 'MEDIUM', 'SSL mode', 'Encryption: disable, allow, prefer, require, verify-ca (checks the certificate) or verify-full (checks the host name too).', { values: ['allow', 'prefer', 'disable', 'verify-ca', 'require', 'verify-full'] }],
  ['database.sslcert', 'STRING', null, 'MEDIUM', 'LONG', 'SSL Client Certificate', 'File with the client certificate.'],
  ['database.sslpassword', 'PASSWORD', null, 'MEDIUM', 'MEDIUM', 'SSL Client Key Password', 'Password of the client key.'],
  ['database.sslrootcert', 'STRING', null, 'MEDIUM', 'LONG', 'SSL Root Certificate', 'File with the certificates of authorities to trust.'],
  ['database.sslkey', 'STRING', null, 'MEDIUM', 'LONG', 'SSL Client Key', 'File with the client key.'],
  ['slot.max.retries', 'INT', 6, 'LOW', 'NONE', 'Retry count', 'How often to try again when the slot cannot be read yet.'],
  ['slot.retry.delay.ms', 'LONG', 10000, 'LOW', 'NONE', 'Retry delay', 'Milliseconds between those tries.'],
  ['database.sslfactory', 'STRING', null, 'MEDIUM', 'LONG', 'SSL Root Certificate', 'Accepted for compatibility; has no effect.'],
  ['status.update.interval.ms', 'INT', 10000, 'MEDIUM', 'SHORT', 'Status update interval (ms)', 'Milliseconds between status updates to the server; never more than a third of its wal_sender_timeout.'],
  ['lsn.flush.timeout.ms', 'LONG', 30000, 'MEDIUM', 'SHORT', 'LSN flush timeout (ms)', 'Accepted for compatibility: confirming a position never blocks.'],
  ['lsn.flush.timeout.action', 'STRING', 'fail', 'MEDIUM', 'MEDIUM', 'LSN flush timeout action', 'Accepted for compatibility: confirming a position never blocks.', { values: ['fail', 'warn', 'ignore'] }],
  ['database.tcpKeepAlive', 'BOOLEAN', true, 'MEDIUM', 'SHORT', 'TCP keep-alive probe', 'Send TCP keep-alive probes.'],
  ['xmin.fetch.interval.ms', 'LONG', 0, 'MEDIUM', 'SHORT', 'Xmin fetch interval (ms)', 'Milliseconds between reads of the oldest running transaction for source.xmin; 0 = never.'],
  ['skipped.operations', 'LIST', ['t'], 'LOW', 'SHORT', 'Skipped Operations', 'Operations to leave out: c, u, d, t, or none.'],
  ['lsn.flush.mode', 'STRING', null, 'LOW', 'SHORT', 'LSN flush mode', 'Who moves the slot: connector (as offsets become durable), connector_and_driver (also while idle), manual (nobody).', { values: ['connector_and_driver', 'connector', 'manual'] }],
  ['flush.lsn.source', 'BOOLEAN', true, 'LOW', 'SHORT', 'Boolean to determine if Debezium should flush LSN in the source database', 'Old form of lsn.flush.mode: true is connector, false is manual.'],
];

const CONNECTOR: readonly Row[] = [
  ['event.processing.failure.handling.mode', 'STRING', 'fail', 'MEDIUM', 'SHORT', 'Event deserialization failure handling', 'What to do about a change that cannot be processed: fail, warn or skip.', { values: ['warn', 'fail', 'ignore', 'skip'] }],
  ['max.batch.size', 'INT', 2048, 'MEDIUM', 'SHORT', 'Change event batch size', 'Most records that one poll returns.'],
  ['max.queue.size', 'INT', 8192, 'MEDIUM', 'SHORT', 'Change event buffer size', 'Most records that wait between reader and poll; must be larger than max.batch.size.'],
  ['poll.interval.ms', 'LONG', 500, 'MEDIUM', 'SHORT', 'Poll interval (ms)', 'Milliseconds that a poll waits for records.'],
  ['max.queue.size.in.bytes', 'LONG', 0, 'MEDIUM', 'LONG', 'Change event buffer size in bytes', 'Most bytes that wait between reader and poll; 0 = 64 MB.'],
  ['provide.transaction.metadata', 'BOOLEAN', false, 'LOW', 'SHORT', 'Store transaction metadata information in a dedicated topic.', 'Write BEGIN and END records to a topic, and number the events of each transaction.'],
  ['snapshot.delay.ms', 'LONG', 0, 'LOW', 'MEDIUM', 'Snapshot Delay (milliseconds)', 'Milliseconds to wait before a snapshot.'],
  ['streaming.delay.ms', 'LONG', 0, 'LOW', 'MEDIUM', 'Streaming Delay (milliseconds)', 'Milliseconds to wait between snapshot and streaming.'],
  ['snapshot.include.collection.list', 'LIST', null, 'MEDIUM', 'LONG', 'Snapshot mode include data collection', 'Patterns of the captured tables that a snapshot reads; all when absent.'],
  ['snapshot.fetch.size', 'INT', null, 'MEDIUM', 'MEDIUM', 'Snapshot fetch size', 'Accepted for compatibility: snapshots read as fast as they are taken.'],
  ['snapshot.max.threads', 'INT', 1, 'MEDIUM', 'SHORT', 'Snapshot maximum threads', 'Tables that a snapshot reads at the same time.'],
  ['snapshot.max.threads.multiplier', 'INT', 1, 'MEDIUM', 'SHORT', 'Snapshot maximum thread multiplier', 'Accepted for compatibility.'],
  ['legacy.snapshot.max.threads', 'BOOLEAN', false, 'LOW', 'SHORT', 'Enforces using a single thread per table regardless of table size', 'Accepted for compatibility.'],
  ['internal.legacy.snapshot.max.threads', 'BOOLEAN', false, 'LOW', 'SHORT', 'Enforces using a single thread per table regardless of table size', 'Accepted for compatibility.', { sameOrder: true }],
  ['snapshot.mode.custom.name', 'STRING', null, 'MEDIUM', 'MEDIUM', 'Snapshot Mode Custom Name', 'Name of a custom snapshot mode; custom modes are not supported.'],
  ['snapshot.mode.configuration.based.snapshot.data', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Snapshot mode property based snapshot data', 'With snapshot.mode=configuration_based: read the tables.'],
  ['snapshot.mode.configuration.based.snapshot.schema', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Snapshot mode property based snapshot schema', 'With snapshot.mode=configuration_based: read the schema.'],
  ['snapshot.mode.configuration.based.start.stream', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Snapshot mode property based start stream', 'With snapshot.mode=configuration_based: stream changes afterwards.'],
  ['snapshot.mode.configuration.based.snapshot.on.schema.error', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Snapshot mode property based snapshot on schema error', 'With snapshot.mode=configuration_based: read the schema again when it is lost.'],
  ['snapshot.mode.configuration.based.snapshot.on.data.error', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Snapshot mode property based snapshot on data error', 'With snapshot.mode=configuration_based: read the tables again when the stored position is gone.'],
  ['retriable.restart.connector.wait.ms', 'LONG', 10000, 'LOW', 'MEDIUM', 'Retriable restart wait (ms)', 'Milliseconds before a task goes on after an error that may pass.'],
  ['query.fetch.size', 'INT', 0, 'MEDIUM', 'MEDIUM', 'Query fetch size', 'Accepted for compatibility.'],
  ['errors.max.retries', 'INT', -1, 'LOW', 'MEDIUM', 'The maximum number of retries', 'How often to go on after an error that may pass; -1 = without limit, 0 = never.'],
  ['incremental.snapshot.watermarking.strategy', 'STRING', 'INSERT_INSERT', 'LOW', 'MEDIUM', 'Incremental snapshot watermarking strategy', 'How an incremental snapshot marks its windows: insert_insert or insert_delete.', { values: ['insert_delete', 'insert_insert'] }],
  ['internal.log.position.check.enable', 'BOOLEAN', true, 'MEDIUM', 'MEDIUM', 'Enable/Disable log position check', 'Check at start that the server still has the stored position.'],
  ['internal.advanced.metrics.enable', 'BOOLEAN', false, 'MEDIUM', 'MEDIUM', 'Enable/Disable advance metrics', 'Accepted for compatibility.'],
  ['connection.validation.timeout.ms', 'LONG', 60000, 'LOW', 'SHORT', 'Connection validation timeout (ms)', 'Milliseconds that validating the connection may take.'],
  ['executor.shutdown.timeout.ms', 'LONG', 4000, 'MEDIUM', 'MEDIUM', 'Executor shutdown timeout (ms)', 'Accepted for compatibility.'],
  ['openlineage.integration.enabled', 'BOOLEAN', false, 'LOW', 'SHORT', 'Enables OpenLineage integration', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.config.file.path', 'STRING', './openlineage.yml', 'LOW', 'LONG', 'Path to OpenLineage file configuration', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.job.namespace', 'STRING', null, 'LOW', 'LONG', 'Namespace used for Debezium job', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.job.description', 'STRING', 'Debezium change data capture job', 'LOW', 'LONG', 'Description used for Debezium job', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.job.tags', 'LIST', null, 'LOW', 'LONG', 'Debezium job tags', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.job.owners', 'LIST', null, 'LOW', 'LONG', 'Debezium job owners', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['openlineage.integration.dataset.kafka.bootstrap.servers', 'STRING', null, 'LOW', 'LONG', 'Kafka bootstrap server used in Kafka Connect deployment', 'Accepted for compatibility; OpenLineage is not supported.'],
  ['extended.headers.enabled', 'BOOLEAN', true, 'LOW', 'SHORT', 'Enable/Disable extended headers', 'Add the headers that name connector, task and run.'],
  ['guardrail.collections.max', 'INT', 0, 'MEDIUM', 'SHORT', 'Maximum number of collections or tables', 'Most tables to capture; 0 = without limit.'],
  ['guardrail.collections.limit.action', 'STRING', 'warn', 'MEDIUM', 'SHORT', 'Guardrail collections limit action', 'What to do beyond that: warn or fail.', { values: ['warn', 'fail'] }],
  ['custom.sanitize.pattern', 'STRING', '.*secret$|.*password$|.*sasl\\.jaas\\.config$|.*basic\\.auth\\.user\\.info|.*registry\\.auth\\.client-secret|.*credentials\\.json$|.*connectionstring$|.*connection\\.string$', 'LOW', 'LONG', 'Custom pattern for masking sensitive configuration', 'Keys whose values never show in logs and answers.'],
  ['statistics.metrics.enabled', 'BOOLEAN', true, 'MEDIUM', 'SHORT', 'Enable collecting statistics metrics like latencies', 'Accepted for compatibility.'],
  ['decimal.handling.mode', 'STRING', 'precise', 'MEDIUM', 'SHORT', 'Decimal Handling', 'numeric and money as precise (bytes), double or string.', { values: ['string', 'double', 'precise'] }],
  ['time.precision.mode', 'STRING', 'adaptive', 'MEDIUM', 'SHORT', 'Time Precision', 'How dates and times are represented: adaptive, adaptive_time_microseconds, connect, isostring, microseconds or nanoseconds.', { values: ['adaptive', 'adaptive_time_microseconds', 'isostring', 'microseconds', 'nanoseconds', 'connect'] }],
  ['snapshot.lock.timeout.ms', 'LONG', 10000, 'MEDIUM', 'LONG', 'Snapshot lock timeout (ms)', 'Milliseconds to wait for table locks of a snapshot.'],
  ['memory.management.schemas.class', 'CLASS', 'io.debezium.relational.ConcurrentMapTableMappingStorage', 'LOW', 'LONG', 'Schema storage class', 'Accepted for compatibility.'],
  ['memory.management.tables.class', 'CLASS', 'io.debezium.relational.ConcurrentMapTableMappingStorage', 'LOW', 'LONG', 'Table storage class', 'Accepted for compatibility.'],
  ['snapshot.mode', 'STRING', 'initial', 'MEDIUM', 'SHORT', 'Snapshot mode', 'When to read the tables before streaming: initial (once), initial_only (then stop), always (every start), no_data (never), when_needed (also when the stored position is gone), configuration_based.', { values: ['always', 'initial_only', 'configuration_based', 'when_needed', 'initial', 'custom', 'no_data'] }],
  ['snapshot.isolation.mode', 'STRING', 'serializable', 'LOW', 'SHORT', 'Snapshot isolation mode', 'Accepted for compatibility: a snapshot always reads one exported snapshot, repeatable read.', { values: ['read_uncommitted', 'repeatable_read', 'read_committed', 'serializable'] }],
  ['snapshot.query.mode', 'STRING', 'select_all', 'LOW', 'SHORT', 'Snapshot query mode', 'How rows are selected: select_all.', { values: ['custom', 'select_all'] }],
  ['snapshot.query.mode.custom.name', 'STRING', null, 'MEDIUM', 'MEDIUM', 'Snapshot Query Mode Custom Name', 'Name of a custom query mode; custom modes are not supported.'],
  ['snapshot.locking.mode.custom.name', 'STRING', null, 'MEDIUM', 'MEDIUM', 'Snapshot Locking Mode Custom Name', 'Name of a custom locking mode; custom modes are not supported.'],
  ['snapshot.locking.mode', 'STRING', 'none', 'LOW', 'SHORT', 'Snapshot locking mode', 'Table locks of a snapshot: none, or shared against changes of the schema.', { values: ['shared', 'custom', 'none'] }],
  ['hstore.handling.mode', 'STRING', 'json', 'LOW', 'MEDIUM', 'HStore Handling', 'hstore as json text or as a map.', { values: ['json', 'map'] }],
  ['binary.handling.mode', 'STRING', 'bytes', 'LOW', 'MEDIUM', 'Binary Handling', 'bytea as bytes, base64, base64-url-safe or hex.', { values: ['bytes', 'base64', 'hex', 'base64-url-safe'] }],
  ['schema.name.adjustment.mode', 'STRING', 'none', 'LOW', 'MEDIUM', 'Schema Name Adjustment', 'Make schema names valid for Avro: none, avro or avro_unicode.', { values: ['none', 'avro_unicode', 'avro'] }],
  ['interval.handling.mode', 'STRING', 'numeric', 'LOW', 'MEDIUM', 'Interval Handling', 'interval as numeric microseconds or as an ISO 8601 string.', { values: ['string', 'numeric'] }],
  ['schema.refresh.mode', 'STRING', 'columns_diff', 'MEDIUM', 'SHORT', 'Schema refresh mode', 'Accepted for compatibility: schemas come with each relation message.', { values: ['columns_diff', 'columns_diff_exclude_unchanged_toast'] }],
  ['incremental.snapshot.chunk.size', 'INT', 1024, 'MEDIUM', 'MEDIUM', 'Incremental snapshot chunk size', 'Rows that an incremental snapshot reads at once.'],
  ['unavailable.value.placeholder', 'STRING', '__debezium_unavailable_value', 'MEDIUM', 'MEDIUM', 'Unavailable value placeholder', 'What stands for a value that the server left out because it did not change; hex: gives bytes.'],
  ['message.prefix.include.list', 'LIST', null, 'MEDIUM', 'LONG', 'Include Logical Decoding Message Prefixes', 'Patterns of the prefixes of logical messages to capture.'],
  ['message.prefix.exclude.list', 'LIST', null, 'MEDIUM', 'LONG', 'Exclude Logical Decoding Message Prefixes', 'Patterns of the prefixes of logical messages to leave out.'],
  ['publish.via.partition.root', 'BOOLEAN', false, 'MEDIUM', 'SHORT', 'Publish via partition root', 'Create the publication so that changes of partitions come as those of the partitioned table.'],
];

const EVENTS: readonly Row[] = [
  ['converters', 'STRING', null, 'LOW', 'MEDIUM', 'List of prefixes defining custom values converters.', 'Accepted for compatibility; custom converters are not supported.'],
  ['post.processors', 'STRING', null, 'LOW', 'MEDIUM', 'List of change event post processors.', 'Accepted for compatibility; post processors are not supported.'],
  ['tombstones.on.delete', 'BOOLEAN', true, 'MEDIUM', 'SHORT', 'Change the behaviour of Debezium with regards to delete operations', 'Write a tombstone after each delete.'],
  ['heartbeat.interval.ms', 'INT', 0, 'MEDIUM', 'MEDIUM', 'Connector heartbeat interval (milli-seconds)', 'Milliseconds between heartbeat records; 0 = none.'],
  ['heartbeat.topics.prefix', 'STRING', '__debezium-heartbeat', 'LOW', 'MEDIUM', 'A prefix used for naming of heartbeat topics', 'First part of the heartbeat topic.'],
  ['signal.data.collection', 'LIST', null, 'MEDIUM', 'MEDIUM', 'Signaling data collection', 'Table that signals are written to, as schema.table.'],
  ['signal.poll.interval.ms', 'LONG', 5000, 'MEDIUM', 'SHORT', 'Signal processor poll interval', 'Milliseconds between looks for signals.'],
  ['signal.enabled.channels', 'LIST', ['source'], 'MEDIUM', 'LONG', 'Enabled channels names', 'Where signals come from.'],
  ['topic.naming.strategy', 'CLASS', 'io.debezium.schema.SchemaTopicNamingStrategy', 'MEDIUM', 'MEDIUM', 'Topic naming strategy class', 'Class that names topics.'],
  ['notification.enabled.channels', 'LIST', null, 'MEDIUM', 'LONG', 'Enabled notification channels names', 'Where notifications go.'],
  ['notification.sink.topic.name', 'STRING', null, 'HIGH', 'LONG', 'Notification topic name', 'Topic for notifications.'],
  ['transaction.metadata.factory', 'CLASS', 'io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory', 'LOW', 'MEDIUM', 'Factory class to create transaction context & transaction struct maker classes', 'Accepted for compatibility.'],
  ['custom.metric.tags', 'LIST', null, 'LOW', 'MEDIUM', 'Customize metric tags', 'Tags for the metrics: key=value pairs.'],
  ['column.include.list', 'LIST', null, 'MEDIUM', 'LONG', 'Include Columns', 'Patterns of the columns to capture, as schema.table.column.'],
  ['column.exclude.list', 'LIST', null, 'MEDIUM', 'LONG', 'Exclude Columns', 'Patterns of the columns to leave out.'],
  ['table.include.list', 'LIST', null, 'HIGH', 'LONG', 'Include Tables', 'Patterns of the tables to capture, as schema.table.'],
  ['table.exclude.list', 'LIST', null, 'MEDIUM', 'LONG', 'Exclude Tables', 'Patterns of the tables to leave out.'],
  ['table.ignore.builtin', 'BOOLEAN', true, 'LOW', 'SHORT', 'Ignore system databases', 'Leave out the tables of the system.'],
  ['schema.include.list', 'LIST', null, 'HIGH', 'LONG', 'Include Schemas', 'Patterns of the schemas to capture.', { dependents: ['table.include.list'] }],
  ['schema.exclude.list', 'LIST', null, 'MEDIUM', 'LONG', 'Exclude Schemas', 'Patterns of the schemas to leave out.', { hidden: true }],
  ['message.key.columns', 'STRING', null, 'MEDIUM', 'LONG', 'Columns PK mapping', 'Columns that make the key of a table: pattern:column,column entries, separated by semicolons.'],
  ['snapshot.select.statement.overrides', 'STRING', null, 'MEDIUM', 'LONG', 'List of tables where the default select statement used during snapshotting should be overridden.', 'Tables that a snapshot reads by a SELECT of your own, given under this key plus the name of the table.'],
  ['column.mask.hash.([^.]+).with.salt.(.+)', 'STRING', null, 'MEDIUM', 'LONG', 'Mask Columns Using Hash and Salt', 'Columns whose text is replaced by its hash.'],
  ['column.mask.with.(d+).chars', 'STRING', null, 'MEDIUM', 'NONE', 'Mask Columns With n Asterisks', 'Columns whose text is replaced by asterisks.'],
  ['column.truncate.to.(d+).chars', 'INT', null, 'MEDIUM', 'NONE', 'Truncate Columns To n Characters', 'Columns whose text is cut.'],
  ['include.schema.comments', 'BOOLEAN', false, 'MEDIUM', 'SHORT', 'Include Table and Column Comments', 'Accepted for compatibility: comments do not show in schemas of Postgres.'],
  ['column.propagate.source.type', 'LIST', null, 'MEDIUM', 'NONE', 'Propagate Source Types by Columns', 'Patterns of columns whose own type goes into the parameters of the schema.'],
  ['datatype.propagate.source.type', 'LIST', null, 'MEDIUM', 'NONE', 'Propagate Source Types by Data Type', 'Patterns of types (database.type) whose columns get those parameters.'],
  ['internal.snapshot.scan.all.columns.force', 'BOOLEAN', false, 'LOW', 'SHORT', 'Snapshot force scan all columns of all tables', 'Accepted for compatibility.'],
  ['snapshot.tables.order.by.row.count', 'STRING', 'disabled', 'MEDIUM', 'NONE', 'Initial snapshot tables order by row count', 'Order in which a snapshot reads tables: disabled, ascending or descending by their estimated size.', { values: ['disabled', 'ascending', 'descending'] }],
  ['heartbeat.action.query', 'STRING', null, 'LOW', 'MEDIUM', 'An optional query to execute with every heartbeat', 'Statement to run with each heartbeat.'],
  ['include.unknown.datatypes', 'BOOLEAN', false, 'MEDIUM', 'SHORT', 'Include unknown datatypes', 'Give columns of unknown types as bytes instead of leaving them out.'],
  ['sourceinfo.struct.maker', 'CLASS', 'io.debezium.connector.postgresql.PostgresSourceInfoStructMaker', 'LOW', 'MEDIUM', 'Source info struct maker class', 'Accepted for compatibility.'],
];

/** Keys that Debezium reads but lists nowhere. */
const UNLISTED: readonly Row[] = [
  ['topic.delimiter', 'STRING', '.', 'MEDIUM', 'SHORT', 'Topic delimiter', 'What stands between the parts of a topic name.'],
  ['topic.transaction', 'STRING', 'transaction', 'LOW', 'MEDIUM', 'Transaction topic', 'Last part of the transaction topic.'],
  ['topic.heartbeat.prefix', 'STRING', null, 'LOW', 'MEDIUM', 'Heartbeat topic prefix', 'First part of the heartbeat topic.'],
  ['topic.heartbeat.name', 'STRING', null, 'LOW', 'MEDIUM', 'Heartbeat topic', 'The heartbeat topic as a whole.'],
  ['topic.cache.size', 'INT', 10000, 'LOW', 'SHORT', 'Topic cache', 'Accepted for compatibility.'],
  ['topic.regex', 'STRING', null, 'LOW', 'LONG', 'Topic regex', 'Pattern of the regex naming strategy.'],
  ['topic.replacement', 'STRING', null, 'LOW', 'LONG', 'Topic replacement', 'Replacement of the regex naming strategy.'],
  ['field.name.adjustment.mode', 'STRING', 'none', 'LOW', 'MEDIUM', 'Field name adjustment', 'Make field names valid for Avro: none, avro or avro_unicode.'],
  ['skip.messages.without.change', 'BOOLEAN', false, 'LOW', 'SHORT', 'Skip unchanged', 'Leave out updates that change no captured column; needs replica identity full.'],
  ['event.converting.failure.handling.mode', 'STRING', 'warn', 'LOW', 'SHORT', 'Conversion failures', 'What to do about a value that cannot be represented.'],
  ['money.fraction.digits', 'INT', 2, 'LOW', 'SHORT', 'Money digits', 'Digits after the point of money.'],
  ['read.only', 'BOOLEAN', false, 'LOW', 'SHORT', 'Read only', 'Never write to the database.'],
  ['offset.mismatch.strategy', 'STRING', 'no_validation', 'LOW', 'SHORT', 'Offset mismatch', 'What to do when slot and stored offset differ.'],
  ['incremental.snapshot.allow.schema.changes', 'BOOLEAN', false, 'LOW', 'SHORT', 'Schema changes', 'Allow changes of the schema during an incremental snapshot.'],
  ['signal.kafka.topic', 'STRING', null, 'LOW', 'MEDIUM', 'Signal topic', 'Topic of the kafka signal channel.'],
  ['signal.kafka.bootstrap.servers', 'STRING', null, 'LOW', 'MEDIUM', 'Signal servers', 'Accepted for compatibility: the worker\'s own cluster is read.'],
  ['signal.kafka.groupId', 'STRING', 'kafka-signal', 'LOW', 'MEDIUM', 'Signal group', 'Accepted for compatibility.'],
  ['signal.kafka.poll.timeout.ms', 'INT', 0, 'LOW', 'SHORT', 'Signal timeout', 'Accepted for compatibility.'],
  ['signal.file', 'STRING', null, 'LOW', 'MEDIUM', 'Signal file', 'File of the file signal channel.'],
  ['poll.dispatch.interval.ms', 'LONG', 0, 'LOW', 'SHORT', 'Dispatch interval', 'Accepted for compatibility.'],
  ['queue.provider.type', 'STRING', 'memory', 'LOW', 'SHORT', 'Queue', 'Accepted for compatibility.'],
  ['slot.seek.to.known.offset.on.start', 'BOOLEAN', false, 'LOW', 'SHORT', 'Seek', 'Accepted for compatibility.'],
];

function keysOf(group: string, rows: readonly Row[]): ConfigKey[] {
  let order = 0;
  return rows.map(([name, type, defaultValue, importance, width, displayName, doc, extras]) => {
    if (extras?.sameOrder !== true) order++;
    const { values, dependents, hidden } = extras ?? {};
    return {
      name,
      type,
      default: defaultValue,
      importance,
      width,
      displayName,
      doc,
      group,
      orderInGroup: order,
      ...(dependents === undefined ? {} : { dependents }),
      ...(values === undefined ? {} : { recommend: () => values }),
      ...(hidden === true ? { visible: () => false } : {}),
    };
  });
}

export const postgresConfigDef: ConfigDef = new ConfigDef([
  ...keysOf('Postgres', POSTGRES),
  ...keysOf('Connector', CONNECTOR),
  ...keysOf('Events', EVENTS),
  ...keysOf('Events', UNLISTED).map((key): ConfigKey => ({ ...key, internal: true })),
]);

/** The values each key with a fixed set may have, in the order Debezium lists them. */
export const KEY_VALUES: ReadonlyMap<string, readonly string[]> = new Map(
  [...POSTGRES, ...CONNECTOR, ...EVENTS].flatMap(([name, , , , , , , extras]) =>
    extras?.values === undefined ? [] : [[name, extras.values] as const],
  ),
);
