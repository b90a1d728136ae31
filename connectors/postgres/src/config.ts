// The resolved config: what the keys mean to the rest of the connector, parsed once.
import { createHash } from 'node:crypto';
import {
  columnChanges,
  matchesAny,
  type NameFilter,
  nameFilter,
  namePatterns,
  type ReselectRules,
  reselectRules,
  splitList,
} from '@millrace/connector-common';
import { type NameAdjustmentMode, type TopicMerging, type TopicNaming, topicNaming } from '@millrace/data';
import { javaRewrite, type RawConfig, type ResolvedConfig, type Rewrite } from '@millrace/foundation';
import { isPassThroughKey } from './config-check.ts';
import { postgresConfigDef } from './config-keys.ts';
import type { ConnectionSettings, TargetServer } from './connection.ts';
import { plainName, qualified, type TableName } from './schema/catalog.ts';
import type { MappingModes } from './schema/mapping.ts';
import type { SchemaRules } from './schema/table-schema.ts';
import type { ConversionFailures } from './schema/unconvertible.ts';
import { REGEX_STRATEGY, refuseAtStart } from './start-checks.ts';
import type { SslMode } from './tls.ts';

export type SnapshotMode =
  | 'initial'
  | 'initial_only'
  | 'always'
  | 'no_data'
  | 'when_needed'
  | 'configuration_based';
export type PublicationMode = 'all_tables' | 'filtered' | 'no_tables' | 'disabled';

export interface PostgresConfig {
  readonly connection: ConnectionSettings;
  readonly topicPrefix: string;
  readonly naming: TopicNaming;
  readonly slot: {
    readonly name: string;
    readonly dropOnStop: boolean;
    readonly failover: boolean;
    readonly streamParams: readonly (readonly [name: string, value: string])[];
    /** Receive transactions while they are in progress, and keep up to so many bytes of them. */
    readonly streaming: { readonly maxBytes: number } | undefined;
    readonly maxRetries: number;
    readonly retryDelayMs: number;
  };
  readonly publication: {
    readonly name: string;
    readonly mode: PublicationMode;
    readonly viaRoot: boolean;
    /** Operations that one made here publishes; undefined = all. */
    readonly operations: readonly string[] | undefined;
  };
  /** Pattern of tables to the identity they get at start. */
  readonly identities: readonly { readonly tables: NameFilter; readonly identity: string }[];
  readonly snapshot: {
    readonly mode: SnapshotMode;
    readonly readData: boolean;
    readonly stream: boolean;
    /** Read the tables at each start, whatever is stored. */
    readonly readsAlways: boolean;
    /** Read them again when the stored position is gone. */
    readonly readsWhenLost: boolean;
    /** A snapshot that was interrupted may be left unfinished. */
    readonly mayAbandon: boolean;
    readonly delayMs: number;
    readonly streamingDelayMs: number;
    readonly threads: number;
    readonly tables: NameFilter;
    /** The tables in the order in which they are read. */
    readonly inOrder: (tables: readonly TableName[]) => TableName[];
    readonly order: 'disabled' | 'ascending' | 'descending';
    /** Rows are read in the order of their key where a snapshot may have to go on. */
    readonly byKey: boolean;
    readonly locking: 'none' | 'shared';
    readonly lockTimeoutMs: number;
    /** The SELECT for a table named `schema.table`, where the config has one. */
    readonly select: (table: string) => string | undefined;
    /** Another one where the config makes other records, or sends them to other topics. */
    readonly shape: string;
  };
  readonly captured: (table: TableName) => boolean;
  readonly includeBuiltin: boolean;
  readonly rules: SchemaRules;
  readonly tombstones: boolean;
  readonly skipped: ReadonlySet<string>;
  readonly skipUnchanged: boolean;
  readonly conversionFailures: ConversionFailures;
  readonly contextHeaders: boolean;
  /** Columns that are read anew before events leave; undefined = none. */
  readonly reselect: ReselectRules | undefined;
  readonly transactionMetadata: boolean;
  readonly heartbeat: { readonly intervalMs: number; readonly actionQuery: string | undefined };
  readonly queue: { readonly maxRecords: number; readonly maxBytes: number; readonly batch: number };
  readonly pollIntervalMs: number;
  readonly statusIntervalMs: number;
  readonly queryTimeoutMs: number;
  readonly confirms: boolean;
  readonly flushTimeout: { readonly ms: number; readonly action: 'fail' | 'warn' | 'ignore' };
  /** Most tables to capture, and what to do beyond that; undefined = without limit. */
  readonly guardrail: { readonly max: number; readonly fails: boolean } | undefined;
  readonly messagePrefixes: NameFilter;
  readonly xminIntervalMs: number;
  readonly checkPosition: boolean;
  readonly signals: {
    /** The table of the channel `source`, as `schema.table`. */
    readonly table: string | undefined;
    readonly channels: ReadonlySet<string>;
    readonly kafkaTopic: string;
    readonly file: string;
    readonly pollIntervalMs: number;
  };
  readonly notifications: { readonly channels: readonly string[]; readonly topic: string | undefined };
  readonly incremental: {
    readonly chunkSize: number;
    /** Delete the opening mark instead of inserting a closing one. */
    readonly deletesMarks: boolean;
  };
}

/** @throws config.invalid, config.regex_invalid */
export function resolveConfig(raw: RawConfig): PostgresConfig {
  const { config } = postgresConfigDef.parseOrThrow(raw, isPassThroughKey);
  refuseAtStart(config);
  const mode = word(config, 'snapshot.mode') as SnapshotMode;
  const byFlags = mode === 'configuration_based';
  const tables = tableFilter(config, raw);
  const snapshotList = raw['snapshot.include.collection.list'];
  return {
    connection: connectionSettings(config),
    topicPrefix: config.string('topic.prefix'),
    naming: naming(config),
    slot: {
      name: config.string('slot.name'),
      dropOnStop: config.boolean('slot.drop.on.stop'),
      failover: config.boolean('slot.failover'),
      streamParams: pairs(config.optionalString('slot.stream.params')).filter(([key]) => !OURS.has(key)),
      streaming: streaming(config),
      maxRetries: config.int('slot.max.retries'),
      retryDelayMs: config.int('slot.retry.delay.ms'),
    },
    publication: {
      name: config.string('publication.name'),
      mode: word(config, 'publication.autocreate.mode') as PublicationMode,
      viaRoot: config.boolean('publish.via.partition.root'),
      operations: publishedOperations(config),
    },
    identities: identities(config.optionalString('replica.identity.autoset.values')),
    snapshot: {
      mode,
      readData: byFlags
        ? config.boolean('snapshot.mode.configuration.based.snapshot.data')
        : mode !== 'no_data',
      stream: byFlags
        ? config.boolean('snapshot.mode.configuration.based.start.stream')
        : mode !== 'initial_only',
      readsAlways: byFlags
        ? config.boolean('snapshot.mode.configuration.based.snapshot.data')
        : mode === 'always',
      readsWhenLost: byFlags
        ? config.boolean('snapshot.mode.configuration.based.snapshot.on.data.error')
        : mode === 'when_needed',
      mayAbandon: byFlags && config.boolean('snapshot.mode.configuration.based.snapshot.schema'),
      delayMs: config.int('snapshot.delay.ms'),
      streamingDelayMs: config.int('streaming.delay.ms'),
      threads: config.int('snapshot.max.threads'),
      tables: splitList(snapshotList).length === 0 ? () => true : matchesAny(snapshotList),
      inOrder: tableOrder(raw),
      order: word(config, 'snapshot.tables.order.by.row.count') as 'disabled',
      byKey: word(config, 'millrace.snapshot.order') === 'key',
      locking: word(config, 'snapshot.locking.mode') === 'shared' ? 'shared' : 'none',
      lockTimeoutMs: config.int('snapshot.lock.timeout.ms'),
      select: selects(raw),
      shape: shapeOf(raw),
    },
    captured: tables,
    includeBuiltin: !config.boolean('table.ignore.builtin'),
    rules: schemaRules(config, raw),
    tombstones: config.boolean('tombstones.on.delete'),
    skipped: new Set(config.list('skipped.operations').map((op) => op.trim().toLowerCase())),
    skipUnchanged: config.boolean('skip.messages.without.change'),
    conversionFailures: word(config, 'event.converting.failure.handling.mode') as ConversionFailures,
    contextHeaders: config.boolean('extended.headers.enabled'),
    reselect: reselectRules(raw),
    transactionMetadata: config.boolean('provide.transaction.metadata'),
    heartbeat: {
      intervalMs: config.int('heartbeat.interval.ms'),
      actionQuery: config.optionalString('heartbeat.action.query'),
    },
    queue: {
      maxRecords: config.int('max.queue.size'),
      maxBytes: config.int('max.queue.size.in.bytes'),
      batch: config.int('max.batch.size'),
    },
    pollIntervalMs: config.int('poll.interval.ms'),
    statusIntervalMs: config.int('status.update.interval.ms'),
    queryTimeoutMs: config.int('database.query.timeout.ms'),
    confirms:
      (config.optionalString('lsn.flush.mode') ?? (config.boolean('flush.lsn.source') ? '' : 'manual')) !==
      'manual',
    flushTimeout: {
      ms: config.int('lsn.flush.timeout.ms'),
      action: word(config, 'lsn.flush.timeout.action') as 'fail',
    },
    guardrail: guardrail(config),
    messagePrefixes: nameFilter(raw['message.prefix.include.list'], raw['message.prefix.exclude.list']),
    xminIntervalMs: config.int('xmin.fetch.interval.ms'),
    checkPosition: config.boolean('internal.log.position.check.enable'),
    signals: {
      table: signalTable(raw),
      channels: new Set(
        config.list('signal.enabled.channels').map((channel) => channel.trim().toLowerCase()),
      ),
      kafkaTopic: config.optionalString('signal.kafka.topic') ?? `${config.string('topic.prefix')}-signal`,
      file: config.optionalString('signal.file') ?? 'file-signals.txt',
      pollIntervalMs: config.int('signal.poll.interval.ms'),
    },
    notifications: {
      channels: config.list('notification.enabled.channels'),
      topic: config.optionalString('notification.sink.topic.name'),
    },
    incremental: {
      chunkSize: Math.max(1, config.int('incremental.snapshot.chunk.size')),
      deletesMarks: word(config, 'incremental.snapshot.watermarking.strategy') === 'insert_delete',
    },
  };
}

/** A value out of a fixed set; their case does not matter. */
function word(config: ResolvedConfig, key: string): string {
  return config.string(key).toLowerCase();
}

/** A setting of Java's driver, which has two prefixes. */
function driverWord(config: ResolvedConfig, name: string, absent: string): string {
  const text = config.optionalString(`driver.${name}`) ?? config.optionalString(`database.${name}`);
  return (text ?? absent).trim().toLowerCase();
}

function fileName(config: ResolvedConfig, key: string): string | undefined {
  return config.optionalString(key) || undefined;
}

const OPERATIONS = { c: 'insert', u: 'update', d: 'delete', t: 'truncate' } as const;

/** As in Debezium: what a config itself skips, not what is skipped by default, is not sent either. */
function publishedOperations(config: ResolvedConfig): string[] | undefined {
  const skipped = config.raw['skipped.operations'] == null ? [] : config.list('skipped.operations');
  const left = Object.entries(OPERATIONS).filter(([op]) => !skipped.includes(op));
  return left.length < Object.keys(OPERATIONS).length ? left.map(([, name]) => name) : undefined;
}

/** How to reach the server. */
export function connectionSettings(config: ResolvedConfig): ConnectionSettings {
  return {
    host: config.string('database.hostname'),
    port: config.int('database.port'),
    user: config.string('database.user'),
    password: config.password('database.password')?.reveal(),
    database: config.string('database.dbname'),
    sslMode: word(config, 'database.sslmode') as SslMode,
    sslCert: fileName(config, 'database.sslcert'),
    sslKey: fileName(config, 'database.sslkey'),
    sslKeyPassword: config.password('database.sslpassword')?.reveal(),
    sslRootCert: fileName(config, 'database.sslrootcert'),
    targetServer: driverWord(config, 'targetServerType', 'any') as TargetServer,
    channelBinding: driverWord(config, 'channelBinding', 'prefer') as 'prefer',
    keepAlive: config.boolean('database.tcpKeepAlive'),
    // A single semicolon separates; a double one is part of a statement.
    initialStatements: (config.optionalString('database.initial.statements') ?? '')
      .split(/(?<!;);(?!;)/)
      .map((statement) => statement.replaceAll(';;', ';').trim())
      .filter((statement) => statement !== ''),
    applicationName: 'Millrace',
  };
}

function naming(config: ResolvedConfig): TopicNaming {
  return topicNaming({
    strategy: config.string('topic.naming.strategy'),
    prefix: config.string('topic.prefix'),
    delimiter: config.string('topic.delimiter'),
    merging: topicMerging(config),
    heartbeatPrefix: config.string('topic.heartbeat.prefix'),
    heartbeatName: config.optionalString('topic.heartbeat.name') || undefined,
    transactionTopic: config.string('topic.transaction'),
  });
}

/** What a strategy that names topics by a pattern is told. */
function topicMerging(config: ResolvedConfig): TopicMerging | undefined {
  if (!REGEX_STRATEGY.test(config.string('topic.naming.strategy').trim())) return undefined;
  const topic = rewrite(config, 'topic.regex', 'topic.replacement');
  if (topic === undefined) return undefined;
  const keyField = {
    name: config.string('topic.key.field.name'),
    rewrite: rewrite(config, 'topic.key.field.regex', 'topic.key.field.replacement') ?? (() => undefined),
  };
  return { topic, keyField: config.boolean('topic.key.enforce.uniqueness') ? keyField : undefined };
}

function rewrite(config: ResolvedConfig, key: string, replacement: string): Rewrite | undefined {
  const regex = config.optionalString(key);
  if (regex === undefined || regex.trim() === '') return undefined;
  return javaRewrite(regex, config.optionalString(replacement) ?? '');
}

function schemaRules(config: ResolvedConfig, raw: RawConfig): SchemaRules {
  const withSchema = /(^|\.)Schema\w*TopicNamingStrategy$/.test(config.string('topic.naming.strategy'));
  return {
    modes: mappingModes(config),
    naming: naming(config),
    topicParts: (table) => (withSchema ? [table.schema, table.table] : [table.table]),
    schemaNames: word(config, 'schema.name.adjustment.mode') as NameAdjustmentMode,
    fieldNames: word(config, 'field.name.adjustment.mode') as NameAdjustmentMode,
    columns: nameFilter(raw['column.include.list'], raw['column.exclude.list']),
    changes: columnChanges(raw),
    keyColumns: keyColumns(config.optionalString('message.key.columns')),
    onUnconvertible: () => undefined,
  };
}

function mappingModes(config: ResolvedConfig): MappingModes {
  const placeholder = config.string('unavailable.value.placeholder');
  return {
    decimal: word(config, 'decimal.handling.mode') as MappingModes['decimal'],
    time: word(config, 'time.precision.mode') as MappingModes['time'],
    binary: word(config, 'binary.handling.mode') as MappingModes['binary'],
    interval: word(config, 'interval.handling.mode') as MappingModes['interval'],
    hstore: word(config, 'hstore.handling.mode') as MappingModes['hstore'],
    moneyDigits: config.int('money.fraction.digits'),
    includeUnknown: config.boolean('include.unknown.datatypes'),
    placeholder: placeholder.startsWith('hex:')
      ? Buffer.from(placeholder.slice('hex:'.length), 'hex')
      : Buffer.from(placeholder),
    utf8: true,
  };
}

/** Comes with PostGIS, full of rows. */
const POSTGIS_TABLE = 'spatial_ref_sys';

function tableFilter(config: ResolvedConfig, raw: RawConfig): (table: TableName) => boolean {
  const tables = nameFilter(raw['table.include.list'], raw['table.exclude.list']);
  const schemas = nameFilter(raw['schema.include.list'], raw['schema.exclude.list']);
  const builtin = config.boolean('table.ignore.builtin')
    ? ({ schema, table }: TableName): boolean =>
        schema === 'pg_catalog' || schema === 'information_schema' || table === POSTGIS_TABLE
    : (): boolean => false;
  const signal = signalTable(raw);
  return (table) => {
    if (builtin(table)) return false;
    const name = qualified(table);
    return name === signal || (schemas(table.schema) && tables(name));
  };
}

/** As `schema.table`, without the quotes that each part may have. */
function signalTable(raw: RawConfig): string | undefined {
  const name = raw['signal.data.collection'];
  return name == null ? undefined : plainName(name.trim());
}

/** By name within each pattern of the list of tables, in its order; the table of signals last. */
function tableOrder(raw: RawConfig): PostgresConfig['snapshot']['inOrder'] {
  const patterns = namePatterns(raw['table.include.list']);
  if (patterns.length === 0) return (tables) => [...tables];
  return (tables) => [
    ...new Set([
      ...patterns.flatMap((matches) => tables.filter((table) => matches(qualified(table)))),
      ...tables,
    ]),
  ];
}

/** `table:column,column` entries, separated by semicolons: what stands for columns is a pattern, too. */
function keyColumns(text: string | undefined): SchemaRules['keyColumns'] {
  const patterns = (text ?? '')
    .split(';')
    .filter((entry) => entry.trim() !== '')
    .flatMap((entry) => {
      const colon = entry.indexOf(':');
      const table = entry.slice(0, colon);
      return entry
        .slice(colon + 1)
        .split(',')
        .flatMap((column) => namePatterns(`${table}.${column.trim()}`));
    });
  return (table, columns) => [
    ...new Set(patterns.flatMap((matches) => columns.filter((column) => matches(`${table}.${column}`)))),
  ];
}

/** `schema.table:FULL,...`; commas or semicolons between entries. */
function identities(text: string | undefined): PostgresConfig['identities'] {
  return (text ?? '')
    .split(/[,;]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => {
      const colon = entry.lastIndexOf(':');
      return { tables: matchesAny(entry.slice(0, colon)), identity: entry.slice(colon + 1).trim() };
    });
}

function selects(raw: RawConfig): (table: string) => string | undefined {
  const prefix = 'snapshot.select.statement.overrides';
  const bySelect = new Map(
    (raw[prefix] ?? '')
      .split(',')
      .map((table) => table.trim())
      .flatMap((table) => {
        const select = raw[`${prefix}.${table}`];
        return select == null ? [] : [[plainName(table), select] as const];
      }),
  );
  return (table) => bySelect.get(table);
}

function guardrail(config: ResolvedConfig): PostgresConfig['guardrail'] {
  const max = config.int('guardrail.collections.max');
  if (max <= 0) return undefined;
  return { max, fails: word(config, 'guardrail.collections.limit.action') === 'fail' };
}

/** Parameters of the decoder that follow from what is supported. */
const OURS: ReadonlySet<string> = new Set(['streaming', 'proto_version', 'binary']);

/** By a key of ours, or the way one asks the decoder for it. */
function streaming(config: ResolvedConfig): PostgresConfig['slot']['streaming'] {
  const params = new Map(pairs(config.optionalString('slot.stream.params')));
  const asked = /^(on|true|1|parallel)$/i.test(params.get('streaming') ?? '');
  if (word(config, 'millrace.streaming') !== 'on' && !asked) return undefined;
  return { maxBytes: config.int('millrace.streaming.max.bytes') };
}

function pairs(text: string | undefined): (readonly [string, string])[] {
  return (text ?? '')
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry.includes('='))
    .map((entry) => {
      const equals = entry.indexOf('=');
      return [entry.slice(0, equals).trim(), entry.slice(equals + 1).trim()] as const;
    });
}

/** Keys that say which records rows become, and what topics they go to. */
const SHAPING = new RegExp(
  `^(?:${[
    'column\\..*',
    'converters',
    'datatype\\.propagate\\..*',
    'extended\\.headers\\.enabled',
    '(?:binary|decimal|hstore|interval)\\.handling\\.mode',
    'include\\.unknown\\.datatypes',
    '(?:key|value|header)\\.converter(?:\\.schemas\\.enable)?',
    'message\\.key\\.columns',
    'money\\.fraction\\.digits',
    'post\\.processors(?:\\..*)?',
    'predicates(?:\\..*)?',
    '(?:schema|field)\\.name\\.adjustment\\.mode',
    'snapshot\\.select\\.statement\\.overrides(?:\\..*)?',
    'time\\.precision\\.mode',
    'topic\\.(?!cache\\.|creation\\.).*',
    'transforms(?:\\..*)?',
  ].join('|')})$`,
);

function shapeOf(raw: RawConfig): string {
  const shaping = Object.entries(raw)
    .filter(([key]) => SHAPING.test(key))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(shaping)).digest('hex').slice(0, 16);
}
