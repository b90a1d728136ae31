// The streaming part of a run: the replication connection, the reader behind it, and what listens to signals.
import { randomUUID } from 'node:crypto';
import {
  ActivityStep,
  type Headers,
  type OffsetMap,
  type SourceOffset,
  type SourcePartition,
  type SourceRecord,
  type SourceTaskContext,
  type TaskActivity,
  type TopicLog,
} from '@millrace/connect-api';
import {
  type ChangeQueue,
  type Notifications,
  type PrivateRecords,
  parseKafkaSignal,
  type SnapshotRequest,
  TransactionMetadata,
} from '@millrace/connector-common';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { openSession } from '../connection.ts';
import { toPostgresError } from '../errors.ts';
import type { ChangeOffset, StoredOffset } from '../offset.ts';
import { formatLsn, type Lsn } from '../protocol/lsn.ts';
import type { Relation } from '../protocol/pgoutput.ts';
import { ReplicationStream } from '../protocol/replication-stream.ts';
import { startCommand } from '../replication-slot.ts';
import { qualified, readTable, type TypeCatalog } from '../schema/catalog.ts';
import { LayoutBook } from '../schema/layout-book.ts';
import { type SchemaRules, tableSchema } from '../schema/table-schema.ts';
import type { ServerFacts } from '../server.ts';
import { IncrementalSnapshot } from '../snapshot/incremental-snapshot.ts';
import type { SourceIdentity } from '../source-info.ts';
import { ChangeReader, type DescribedTable, type SignalWatch } from './change-reader.ts';
import { logicalMessages } from './logical-messages.ts';
import { Reselect } from './reselect.ts';
import { SignalDesk } from './signal-desk.ts';
import { WalEnd } from './wal-end.ts';
import { XminWatch } from './xmin-watch.ts';

export interface StreamingRunOptions {
  readonly config: PostgresConfig;
  readonly rules: SchemaRules;
  readonly types: TypeCatalog;
  /** A session for the catalog. */
  readonly catalog: pg.Client;
  readonly facts: ServerFacts;
  readonly identity: SourceIdentity;
  readonly context: SourceTaskContext;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly notifications: Notifications;
  readonly privates: PrivateRecords;
  /** Where to begin; undefined = where the slot is. */
  readonly from: StoredOffset | undefined;
  /** The offset of an earlier run, if that is what `from` is. */
  readonly resumed: StoredOffset | undefined;
  readonly start: Lsn;
  /** What may be confirmed from the beginning; 0 = nothing yet. */
  readonly durable: Lsn;
  /** A replication session that does nothing else; ended with the run. */
  readonly session: pg.Client;
  readonly fail: (error: unknown) => void;
  readonly endOnStop: (client: pg.Client) => () => void;
  /** Reads tables while the stream waits; its records carry `offset`. */
  readonly blockingSnapshot: (request: SnapshotRequest, offset: SourceOffset) => Promise<void>;
}

const DEFAULT_STATUS_MS = 10_000;
const MIN_STATUS_MS = 100;
/** So long a silence is borne where the server itself would bear any. */
const DEFAULT_SILENCE_MS = 5 * 60_000;
const MIN_SILENCE_MS = 1_000;

export class StreamingRun {
  readonly #options: StreamingRunOptions;
  readonly #reader: ChangeReader;
  readonly #incremental: IncrementalSnapshot | undefined;
  readonly #xmin: XminWatch | undefined;
  /** Reading the definition of a table, while the stream waits. */
  readonly #describing = new ActivityStep();
  readonly #walEnd: WalEnd;
  readonly #layouts: LayoutBook;
  readonly #reselect: Reselect | undefined;
  #stream: ReplicationStream | undefined;
  #signalLog: TopicLog | undefined;

  constructor(options: StreamingRunOptions) {
    this.#options = options;
    const { config, context, identity, sourcePartition, resumed } = options;
    const transactions = config.transactionMetadata
      ? new TransactionMetadata({ topic: config.rules.naming.transactionTopic, sourcePartition })
      : undefined;
    if (resumed !== undefined) transactions?.restore(resumed.map);
    this.#layouts = new LayoutBook({
      offsets: context.offsets,
      records: options.privates,
      sourcePartition,
      onStoring: (table) =>
        this.#describing.enter(
          `storing what ${table} looks like, before its first record`,
          'Check that the brokers run and can write: the offsets topic does not take the record.',
        ),
    });
    this.#walEnd = new WalEnd({
      client: options.catalog,
      clock: context.clock,
      logger: context.logger,
      isReached: () => this.caughtUp,
      ask: () => this.#stream?.ask(),
    });
    this.#xmin = XminWatch.start(config.xminIntervalMs, config.connection, context);
    this.#reselect = this.#reselection();
    const signals = this.#signals();
    this.#incremental = signals?.incremental;
    this.#reader = new ChangeReader({
      identity,
      sourcePartition,
      headers: options.headers,
      tombstones: config.tombstones,
      skipped: config.skipped,
      skipUnchanged: config.skipUnchanged,
      queue: options.queue,
      clock: context.clock,
      captured: config.captured,
      describe: (relation, xid) => this.#describe(relation, xid),
      resume: () => this.#stream?.resume(),
      fail: options.fail,
      stored: options.from,
      transactions,
      messages: logicalMessages(config, identity, sourcePartition),
      xmin: () => this.#xmin?.current ?? null,
      reselect: this.#reselect,
      signals,
    });
  }

  /** Starts the stream. @throws what the server answers; then `close` has nothing left to do */
  async start(): Promise<void> {
    const { config, context, facts, start, durable, resumed, session } = this.#options;
    const stream = new ReplicationStream({
      client: session,
      handler: this.#reader,
      clock: context.clock,
      statusIntervalMs: statusIntervalMs(config, facts),
      silenceLimitMs: silenceLimitMs(facts),
    });
    this.#stream = stream;
    await stream.start(startCommand(config, start, facts.version), durable);
    context.logger.info({ slot: config.slot.name, lsn: formatLsn(start) }, 'streaming changes');
    void this.#walEnd.follow();
    if (resumed !== undefined) this.#incremental?.restore(resumed.map);
  }

  confirm(lsn: Lsn): void {
    this.#stream?.confirm(lsn);
  }
  /** What has to get on; waiting for changes has not. */
  get activity(): TaskActivity | null {
    if (this.#stream?.isSilent === true)
      return {
        stage: 'waiting for the server to answer on the replication connection',
        progress: 0,
        hint: 'Look at the load of the database server and at the network; the connection is given up after wal_sender_timeout.',
      };
    return this.#describing.activity;
  }
  /** Whether all that the server has written when it was last asked was read. */
  get caughtUp(): boolean {
    const { completeLsn } = this.#reader;
    const end = this.#walEnd.current;
    return completeLsn !== undefined && (end === undefined || completeLsn >= end);
  }
  /** See ChangeReader.completeLsn. */
  get completeLsn(): Lsn | undefined {
    return this.#reader.completeLsn;
  }
  /** See ChangeReader.completeOffset. */
  get completeOffset(): ChangeOffset | undefined {
    return this.#reader.completeOffset;
  }
  /** See ChangeReader.lastCommitLsn. */
  get lastCommitLsn(): Lsn | null {
    return this.#reader.lastCommitLsn;
  }

  /** See ChangeReader.takeUrgent. */
  takeUrgent(): boolean {
    return this.#reader.takeUrgent();
  }
  /** What offsets hold of an incremental snapshot; undefined while none runs. */
  get incrementalState(): OffsetMap | undefined {
    return this.#incremental?.offsetState;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#xmin?.stop();
    this.#walEnd.stop();
    await this.#incremental?.close();
    await this.#signalLog?.close().catch(() => undefined);
    await this.#reselect?.close();
    await this.#stream?.close();
  }

  #reselection(): Reselect | undefined {
    const { config, types, queue, context } = this.#options;
    if (config.reselect === undefined) return undefined;
    return new Reselect({
      rules: config.reselect,
      types,
      queue,
      logger: context.logger,
      step: this.#describing,
      signalTable: config.signals.table,
      open: async () => {
        const client = await openSession(config.connection);
        await client.query(`set statement_timeout = ${config.queryTimeoutMs}`);
        return client;
      },
    });
  }

  #signals(): SignalWatch | undefined {
    const { config, rules, types, identity, context, sourcePartition, headers, notifications } =
      this.#options;
    const { table, channels, kafkaTopic } = config.signals;
    if (table === undefined) return undefined;
    const incremental = new IncrementalSnapshot({
      config,
      rules,
      types,
      identity,
      sourcePartition,
      headers,
      clock: context.clock,
      logger: context.logger,
      randomId: randomUUID,
      notify: (notification) => this.#reader.inject((offset) => notifications.record(notification, offset)),
      fail: this.#options.fail,
      endOnStop: this.#options.endOnStop,
    });
    const desk = new SignalDesk({
      incremental,
      blocking: (request) => this.#options.blockingSnapshot(request, this.#reader.lastOffset),
      logger: context.logger,
      deletesMarks: config.incremental.deletesMarks,
    });
    if (channels.has('kafka')) void this.#followTopic(kafkaTopic, desk);
    return { table: channels.has('source') ? table : undefined, desk, incremental };
  }

  /** Signals from a topic: those that come while the connector runs. */
  async #followTopic(topic: string, desk: SignalDesk): Promise<void> {
    const { config, context, fail } = this.#options;
    try {
      this.#signalLog = await context.topicLog(topic, {
        from: 'end',
        onRecord: ({ key, value }) => {
          const signal = parseKafkaSignal(key?.toString(), value?.toString(), config.topicPrefix, {
            logger: context.logger,
            randomId: randomUUID,
          });
          if (signal !== undefined) void desk.handle(signal);
        },
        onError: fail,
      });
    } catch (error) {
      fail(error);
    }
  }

  async #describe(relation: Relation, xid: number): Promise<DescribedTable> {
    const { catalog, types, rules } = this.#options;
    this.#describing.enter(`reading the definition of ${qualified(relation)} from the catalog`);
    try {
      types.forgetEnums();
      await types.load(
        catalog,
        relation.columns.map((column) => column.typeOid),
      );
      const table = await readTable(catalog, relation.oid);
      const { layout, changedBy } = await this.#layouts.find(relation, table, types, xid);
      const schema = tableSchema({
        table: relation,
        columns: relation.columns,
        catalog: layout,
        types: types.with(layout?.types ?? []),
        rules,
        origin: 'stream',
      });
      return { schema, changedBy };
    } catch (error) {
      throw toPostgresError(error, `Cannot read the definition of ${qualified(relation)}`);
    } finally {
      this.#describing.leave();
    }
  }
}

/** As long as the server would bear our silence. */
function silenceLimitMs({ walSenderTimeoutMs }: ServerFacts): number {
  return walSenderTimeoutMs > 0 ? Math.max(MIN_SILENCE_MS, walSenderTimeoutMs) : DEFAULT_SILENCE_MS;
}

/** As often as the config says, and never less often than keeps the server from giving us up. */
function statusIntervalMs(config: PostgresConfig, facts: ServerFacts): number {
  const third = facts.walSenderTimeoutMs > 0 ? facts.walSenderTimeoutMs / 3 : DEFAULT_STATUS_MS;
  return Math.max(MIN_STATUS_MS, Math.min(DEFAULT_STATUS_MS, third, config.statusIntervalMs));
}
