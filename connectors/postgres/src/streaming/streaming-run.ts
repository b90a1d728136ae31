// The streaming part of a run: the replication connection, the reader behind it, and what listens to signals.
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  ActivityStep,
  type Headers,
  type OffsetMap,
  offsetMapOf,
  type SourceOffset,
  type SourcePartition,
  type SourceRecord,
  type SourceTaskContext,
  type TaskActivity,
} from '@millrace/connect-api';
import {
  type ChangeQueue,
  FileSignals,
  type Notifications,
  type PrivateRecords,
  type Signal,
  type SnapshotRequest,
  type StreamCounts,
  TopicSignals,
  TransactionMetadata,
} from '@millrace/connector-common';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { openSession } from '../connection.ts';
import { DEBEZIUM_EXCEPTION, postgresError, streamingError, toPostgresError } from '../errors.ts';
import type { ChangeOffset, StoredOffset } from '../offset.ts';
import { formatLsn, type Lsn } from '../protocol/lsn.ts';
import type { Relation } from '../protocol/pgoutput.ts';
import { ReplicationStream } from '../protocol/replication-stream.ts';
import { silenceLimitMs } from '../protocol/watchdog.ts';
import { startCommand, streamsInProgress } from '../replication-slot.ts';
import { qualified, readTable, type TypeCatalog } from '../schema/catalog.ts';
import { LayoutBook } from '../schema/layout-book.ts';
import { type SchemaRules, tableSchema } from '../schema/table-schema.ts';
import type { ServerFacts } from '../server.ts';
import { IncrementalSnapshot } from '../snapshot/incremental-snapshot.ts';
import { restingState } from '../snapshot/incremental-state.ts';
import { type KeyQuestion, knownPlaces } from '../snapshot/key-places.ts';
import type { SourceIdentity } from '../source-info.ts';
import type { StoredMarks } from '../stored-marks.ts';
import { ChangeReader } from './change-reader.ts';
import { logicalMessages } from './logical-messages.ts';
import type { DescribedTable, SignalWatch } from './reader-options.ts';
import { Reselect } from './reselect.ts';
import { SignalDesk } from './signal-desk.ts';
import { SnapshotWindow } from './snapshot-window.ts';
import { statusIntervalMs } from './stream-intervals.ts';
import { StreamedTransactions } from './streamed-transactions.ts';
import { TransactionSpool } from './transaction-spool.ts';
import { commitVisible } from './visible-commit.ts';
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
  readonly counts: StreamCounts;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly notifications: Notifications;
  readonly privates: PrivateRecords;
  readonly marks: StoredMarks;
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
  readonly blockingSnapshot: (request: SnapshotRequest, offset: SourceOffset) => Promise<SourceOffset>;
}

/** Longer than `commitVisible` takes where each of its queries is answered. */
const VISIBLE_WITHIN_MS = 60_000;

export class StreamingRun {
  readonly #options: StreamingRunOptions;
  readonly #reader: ChangeReader;
  readonly #incremental: IncrementalSnapshot | undefined;
  /** What offsets hold of an incremental snapshot that cannot go on with this config. */
  readonly #resting: OffsetMap | undefined;
  readonly #xmin: XminWatch | undefined;
  /** Reading the definition of a table, while the stream waits. */
  readonly #describing = new ActivityStep();
  readonly #walEnd: WalEnd;
  readonly #layouts: LayoutBook;
  readonly #streamed: StreamedTransactions | undefined;
  readonly #reselect: Reselect | undefined;
  readonly #closing = new AbortController();
  #stream: ReplicationStream | undefined;
  #topicSignals: TopicSignals | undefined;
  #fileSignals: FileSignals | undefined;

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
      slot: config.slot.name,
      clock: context.clock,
      logger: context.logger,
      isReached: () => this.caughtUp,
      ask: () => this.#stream?.ask(),
    });
    this.#xmin = XminWatch.start(config.xminIntervalMs, config.connection, context);
    this.#streamed = streamedTransactions(options);
    this.#reselect = this.#reselection();
    const signals = this.#signals();
    this.#incremental = signals?.incremental;
    this.#resting = this.#restore(resumed?.map);
    this.#reader = new ChangeReader({
      identity,
      sourcePartition,
      headers: options.headers,
      tombstones: config.tombstones,
      skipped: config.skipped,
      skipUnchanged: config.skipUnchanged,
      queue: options.queue,
      counts: options.counts,
      clock: context.clock,
      captured: config.captured,
      describe: (relation, xid) => this.#describe(relation, xid),
      resume: () => this.#stream?.resume(),
      nudge: () => this.#stream?.nudge(),
      fail: (error) => options.fail(this.#streamed === undefined ? error : streamingError(error)),
      stored: options.from,
      walEnd: options.facts.walEnd,
      resting: this.#resting,
      window:
        options.from === undefined
          ? undefined
          : SnapshotWindow.of(options.from.map, context.exactlyOnce === true),
      askPlaces: (question) => this.#askPlaces(question),
      transactions,
      messages: logicalMessages(config, identity, sourcePartition),
      xmin: () => this.#xmin?.current ?? null,
      reselect: this.#reselect,
      signals,
      streamed: this.#streamed,
    });
  }

  /** Takes up the incremental snapshot of a stored offset. Returns what is kept of it where this config cannot. */
  #restore(stored: OffsetMap | undefined): OffsetMap | undefined {
    const { config, context } = this.#options;
    const { table, channels } = config.signals;
    if (table !== undefined && channels.has('source')) {
      if (stored !== undefined) this.#incremental?.restore(stored);
      return undefined;
    }
    const resting = restingState(stored);
    if (resting !== undefined)
      context.logger.warn(
        { key: 'signal.data.collection' },
        'an incremental snapshot rests until there is a table of signals again',
      );
    return resting;
  }

  /** Starts the stream. @throws what the server answers; then `close` has nothing left to do */
  async start(): Promise<void> {
    const { config, context, facts, start, durable, session } = this.#options;
    const stream = new ReplicationStream({
      client: session,
      handler: this.#reader,
      clock: context.clock,
      statusIntervalMs: statusIntervalMs(config, facts),
      silenceLimitMs: silenceLimitMs(facts.walSenderTimeoutMs),
      flushTimeoutMs: config.flushTimeout.ms,
      flushOverdue: (lsn) => this.#flushOverdue(lsn),
    });
    this.#stream = stream;
    await stream.start(startCommand(config, start, facts.version), durable);
    context.logger.info({ slot: config.slot.name, lsn: formatLsn(start) }, 'streaming changes');
    void this.#walEnd.follow();
    this.#incremental?.begin();
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
  /** What the server had written when it was last asked, and was not read yet, in bytes; undefined if unknown. */
  get lagBytes(): number | undefined {
    const end = this.#walEnd.current;
    const { readLsn } = this.#reader.position;
    if (end === undefined || readLsn === undefined) return undefined;
    return Math.max(0, Number(BigInt(end) - BigInt(readLsn)));
  }
  /** Bytes of WAL that the server keeps for the slot; undefined if unknown. */
  get retainedBytes(): number | undefined {
    return this.#walEnd.retainedBytes;
  }
  /** Bytes of transactions in progress that are kept on disk. */
  get spooledBytes(): number {
    return this.#streamed?.bytes ?? 0;
  }
  /** How far all was read. */
  get readLsn(): Lsn | undefined {
    return this.#reader.position.readLsn;
  }
  /** See ChangeReader.completeLsn. */
  get completeLsn(): Lsn | undefined {
    return this.#reader.completeLsn;
  }
  /** See StreamPosition.completeOffset; undefined as well while some of its records are not in the queue yet (INV-1). */
  get completeOffset(): ChangeOffset | undefined {
    return this.completeLsn === undefined ? undefined : this.#reader.position.completeOffset;
  }
  /** See StreamPosition.isBehind. */
  get isBehind(): boolean {
    return this.#reader.position.isBehind;
  }
  /** See StreamPosition.lastCommitLsn. */
  get lastCommitLsn(): Lsn | null {
    return this.#reader.position.lastCommitLsn;
  }

  /** See ChangeReader.handedOut. */
  handedOut(lsn: Lsn, offset: SourceOffset): void {
    this.#reader.handedOut(lsn, offset);
  }

  /** See ChangeReader.takeUrgent. */
  takeUrgent(): boolean {
    return this.#reader.takeUrgent();
  }
  /** What offsets hold of an incremental snapshot; undefined while none runs. */
  get incrementalState(): OffsetMap | undefined {
    return this.#incremental?.offsetState ?? this.#resting;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#xmin?.stop();
    this.#walEnd.stop();
    await this.#incremental?.close();
    this.#fileSignals?.stop();
    await this.#topicSignals?.close();
    await this.#reselect?.close();
    await this.#stream?.close();
    await this.#streamed?.close();
  }

  #flushOverdue(lsn: Lsn): Error | undefined {
    const { config, context } = this.#options;
    const { ms, action } = config.flushTimeout;
    const text = `LSN flush operation for '${formatLsn(lsn)}' timed out after ${ms} ms`;
    if (action === 'fail') {
      return postgresError('postgres.connection_stalled', text, {
        configKey: 'lsn.flush.timeout.ms',
        javaClass: DEBEZIUM_EXCEPTION,
      });
    }
    if (action === 'warn') context.logger.warn({ key: 'lsn.flush.timeout.ms' }, text);
    return undefined;
  }

  #reselection(): Reselect | undefined {
    const { config, queue, context } = this.#options;
    if (config.reselect === undefined) return undefined;
    return new Reselect({
      rules: config.reselect,
      queue,
      clock: context.clock,
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
    const { table, channels } = config.signals;
    if (table === undefined && !channels.has('kafka') && !channels.has('file')) return undefined;
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
      blocking: async (request) => {
        const { position } = this.#reader;
        position.lastOffset = await this.#options.blockingSnapshot(request, position.lastOffset);
      },
      logger: context.logger,
      hasTable: table !== undefined,
      offset: () => offsetMapOf(this.#reader.position.lastOffset),
      deletesMarks: config.incremental.deletesMarks,
    });
    this.#followSignals(desk);
    return { table: channels.has('source') ? table : undefined, desk, incremental };
  }

  /** Signals that do not come with the stream: it stands still while one is dealt with. */
  #followSignals(desk: SignalDesk): void {
    const { config, context, sourcePartition, privates, marks, fail } = this.#options;
    const { channels, kafkaTopic, file, pollIntervalMs } = config.signals;
    const onSignal = (signal: Signal): Promise<void> =>
      new Promise((resolve) => {
        this.#reader.interrupt(async () => {
          try {
            await desk.handle(signal);
          } finally {
            resolve();
          }
        });
      });
    const source = { logger: context.logger, randomId: randomUUID, onSignal };
    if (channels.has('kafka')) {
      this.#topicSignals = new TopicSignals({
        ...source,
        topic: kafkaTopic,
        key: config.topicPrefix,
        topicLog: (name, options) => context.topicLog(name, options),
        offsets: context.offsets,
        records: privates,
        stored: () => marks.next(),
        sourcePartition,
        fail,
      });
      void this.#topicSignals.follow();
    }
    if (channels.has('file')) {
      this.#fileSignals = new FileSignals({
        ...source,
        file,
        intervalMs: pollIntervalMs,
        clock: context.clock,
      });
      this.#fileSignals.follow().catch(fail);
    }
  }

  async #describe(relation: Relation, xid: number): Promise<DescribedTable> {
    const { catalog, types, rules } = this.#options;
    const failed = `Cannot read the definition of ${qualified(relation)}`;
    try {
      await this.#answered(failed, () => this.#visible(relation, xid), VISIBLE_WITHIN_MS);
      this.#describing.enter(`reading the definition of ${qualified(relation)} from the catalog`);
      types.forgetEnums();
      const table = await this.#answered(failed, async () => {
        const oids = relation.columns.map((column) => column.typeOid);
        await types.load(catalog, oids);
        return await readTable(catalog, relation.oid);
      });
      const { layout, changedBy } = await this.#layouts.find(relation, table, types, xid);
      const schema = tableSchema({
        table: relation,
        columns: relation.columns,
        catalog: layout,
        types: types.with(layout?.types ?? []),
        rules,
        origin: 'stream',
        identity: relation.identity,
      });
      return { schema, changedBy };
    } catch (error) {
      throw toPostgresError(error, failed);
    } finally {
      this.#describing.leave();
    }
  }

  async #askPlaces(question: KeyQuestion): Promise<readonly number[] | undefined> {
    const { catalog, context } = this.#options;
    const table = qualified(question.table);
    this.#describing.enter(
      `asking where changed rows of ${table} lie in the order the snapshot has read it in`,
    );
    try {
      const failed = `Cannot ask for the order of ${table}`;
      return await this.#answered(failed, () => knownPlaces(catalog, question, context.logger));
    } finally {
      this.#describing.leave();
    }
  }

  /** Before the catalog is read for rows of transaction `xid`, which may have changed it. */
  async #visible(relation: Relation, xid: number): Promise<void> {
    const { catalog, context } = this.#options;
    const table = qualified(relation);
    const visible = await commitVisible(xid, {
      client: catalog,
      clock: context.clock,
      signal: this.#closing.signal,
      onWaiting: () =>
        this.#describing.enter(
          `waiting for queries to see transaction ${xid}, before reading the definition of ${table}`,
          'Its commit waits for a synchronous standby: look at synchronous_standby_names and pg_stat_replication.',
        ),
    });
    if (!visible)
      context.logger.warn(
        { table, xid },
        'queries do not see a committed transaction, which waits for a synchronous standby: if it altered the table, its rows are shown by the definition of before',
      );
  }

  /** INV-7: a session may wait for a server that works; but here nothing is read from the stream meanwhile. */
  async #answered<T>(failed: string, query: () => Promise<T>, moreMs = 0): Promise<T> {
    const limitMs = silenceLimitMs(this.#options.facts.walSenderTimeoutMs) + moreMs;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      const text = `${failed}: no answer for ${Math.round(limitMs / 1000)} s`;
      timer = setTimeout(() => reject(postgresError('postgres.connection_stalled', text)), limitMs);
    });
    try {
      return await Promise.race([query(), silence]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Where the config asks for transactions in progress and the server can send them. */
function streamedTransactions({
  config,
  facts,
  context,
}: StreamingRunOptions): StreamedTransactions | undefined {
  const { streaming } = config.slot;
  if (streaming === undefined) return undefined;
  if (!streamsInProgress(config, facts.version)) {
    context.logger.warn(
      { key: 'millrace.streaming' },
      'the server is too old to send transactions in progress; it keeps them until they commit',
    );
    return undefined;
  }
  const folder = context.spoolFolder ?? path.join(tmpdir(), 'millrace-spool');
  const spool = new TransactionSpool({ folder, maxBytes: streaming.maxBytes });
  return new StreamedTransactions(spool, { commitsEmpty: facts.version < SILENT_ON_EMPTY });
}
/** From this version on the server does not tell of transactions that have nothing for us. */
const SILENT_ON_EMPTY = 150000;
