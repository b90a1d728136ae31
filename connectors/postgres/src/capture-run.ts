// One run of capture, from the first look at the server to the last byte of the stream: preparation in `start`, which
// fails the task with the reason, then snapshot and streaming in the background, which fail the queue.
import type {
  Headers,
  OffsetMap,
  SourceOffset,
  SourcePartition,
  SourceRecord,
  SourceTaskContext,
} from '@millrace/connect-api';
import { type ChangeQueue, TransactionMetadata } from '@millrace/connector-common';
import { messageOf } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { openSession, quoteLiteral } from './connection.ts';
import { DEBEZIUM_EXCEPTION, postgresError, sqlStateOf, toPostgresError } from './errors.ts';
import { confirmablePosition, type SnapshotPosition, type StoredOffset } from './offset.ts';
import { formatLsn, type Lsn } from './protocol/lsn.ts';
import type { Relation } from './protocol/pgoutput.ts';
import { ReplicationStream } from './protocol/replication-stream.ts';
import { prepareIdentities, preparePublication } from './publication.ts';
import {
  type CreatedSlot,
  checkPosition,
  createSlot,
  dropSlot,
  readSlot,
  requireUsable,
  type SlotState,
  startCommand,
} from './replication-slot.ts';
import { listTables, qualified, readTable, type TableName, TypeCatalog } from './schema/catalog.ts';
import { type TableSchema, tableSchema } from './schema/table-schema.ts';
import { readServerFacts, requireLogicalWal, type ServerFacts } from './server.ts';
import { SnapshotReader } from './snapshot/snapshot-reader.ts';
import { tablesBySize } from './snapshot/table-order.ts';
import { ChangeReader } from './streaming/change-reader.ts';
import { logicalMessages } from './streaming/logical-messages.ts';
import { XminWatch } from './streaming/xmin-watch.ts';

export interface CaptureRunOptions {
  readonly config: PostgresConfig;
  readonly context: SourceTaskContext;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly stored: StoredOffset | undefined;
}

/** What is to be done, once server and stored offset were looked at. */
interface Plan {
  readonly snapshot: boolean;
  /** Where streaming starts when there is no snapshot. */
  readonly resume: StoredOffset | undefined;
  readonly slot: SlotState | undefined;
}

const DEFAULT_STATUS_MS = 10_000;

export class CaptureRun {
  readonly #options: CaptureRunOptions;
  readonly #types = new TypeCatalog();
  readonly #stopping = new AbortController();
  #client: pg.Client | undefined;
  #facts: ServerFacts | undefined;
  #stream: ReplicationStream | undefined;
  #reader: ChangeReader | undefined;
  #xmin: XminWatch | undefined;
  #background: Promise<void> = Promise.resolve();
  #completedSnapshot: OffsetMap | undefined;
  #durable: Lsn = 0;
  #slotIsOurs = false;

  constructor(options: CaptureRunOptions) {
    this.#options = options;
  }

  /** Prepares the server and starts reading. @throws what is wrong with server, publication, slot or position */
  async start(): Promise<void> {
    const { config, context } = this.#options;
    const client = await openSession(config.connection);
    this.#client = client;
    const facts = await this.#ask(() => readServerFacts(client), 'Cannot read the settings of the server');
    this.#facts = facts;
    requireLogicalWal(facts);
    const captured = (
      await this.#ask(() => listTables(client, config.includeBuiltin), 'Cannot list the tables')
    ).filter(config.captured);
    const plan = await this.#plan(client, facts);
    if (config.snapshot.stream) {
      await preparePublication(client, config, captured, context.logger);
      await prepareIdentities(client, config, captured);
    }
    this.#background = this.#capture(plan, captured).catch((error: unknown) => this.#fail(error));
  }

  /** Everything up to `lsn` is durable downstream. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#durable) this.#durable = lsn;
    this.#stream?.confirm(lsn);
  }

  /** See ChangeReader.completeLsn. */
  completeLsn(): Lsn | undefined {
    return this.#reader?.completeLsn;
  }

  /** The offset of the end of the last transaction, if one has ended. */
  completeOffset(): SourceOffset | undefined {
    return this.#reader?.completeOffset;
  }

  /** Whether a transaction has ended after this position. */
  endedSince(lsn: Lsn): boolean {
    const ended = this.#reader?.lastCommitLsn ?? null;
    return ended !== null && ended > lsn;
  }

  /** Once: the offset of a snapshot that had no row to carry it. */
  takeCompletedSnapshot(): OffsetMap | undefined {
    const offset = this.#completedSnapshot;
    this.#completedSnapshot = undefined;
    return offset;
  }

  /** Runs `heartbeat.action.query`, if there is one. */
  async heartbeatAction(): Promise<void> {
    const { config, context } = this.#options;
    const query = config.heartbeat.actionQuery;
    if (query === undefined || this.#client === undefined || this.#stopping.signal.aborted) return;
    try {
      await this.#client.query(query);
    } catch (error) {
      const state = sqlStateOf(error) ?? '';
      if (['42P01', '57P01', '57P03'].includes(state))
        throw toPostgresError(error, 'heartbeat.action.query failed');
      context.logger.error({ err: error }, 'heartbeat.action.query failed');
    }
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const { config, context, queue } = this.#options;
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    queue.fail(postgresError('postgres.connection_lost', 'the task stops'));
    this.#xmin?.stop();
    await this.#stream?.close();
    await this.#background;
    const client = this.#client;
    if (client === undefined) return;
    if (config.slot.dropOnStop && this.#slotIsOurs) {
      try {
        await dropSlot(client, config.slot.name);
      } catch (error) {
        context.logger.warn({ err: error, slot: config.slot.name }, 'the slot could not be dropped');
      }
    }
    await client.end().catch(() => undefined);
  }

  async #plan(client: pg.Client, facts: ServerFacts): Promise<Plan> {
    const { config, context, stored } = this.#options;
    const { mode, readData } = config.snapshot;
    const slot = await this.#ask(
      () => readSlot(client, config.slot.name, facts.version),
      'Cannot read the slot',
    );
    if (slot !== undefined) requireUsable(slot, config);
    const finished = stored !== undefined && stored.snapshot?.complete !== false;
    if (!finished || mode === 'always') return { snapshot: readData, resume: undefined, slot };
    if (!config.checkPosition || !config.snapshot.stream) return { snapshot: false, resume: stored, slot };
    const position = checkPosition(slot, stored);
    if (position === 'available') return { snapshot: false, resume: stored, slot };
    if (mode === 'when_needed') {
      context.logger.warn(
        { slot: config.slot.name, position },
        'the stored position is gone; the tables are read again',
      );
      return { snapshot: true, resume: undefined, slot };
    }
    if (slot === undefined && config.slot.dropOnStop) {
      // The config says that changes made while the connector is stopped may be lost.
      context.logger.warn(
        { slot: config.slot.name },
        'slot.drop.on.stop dropped the slot: changes made since are not captured',
      );
      return { snapshot: false, resume: undefined, slot };
    }
    throw this.#positionLost(stored, position);
  }

  #positionLost(stored: StoredOffset, position: 'lost' | 'ahead'): Error {
    const { config } = this.#options;
    const at = formatLsn(stored.lsn);
    return position === 'lost'
      ? postgresError(
          'postgres.slot_lost',
          `The connector is trying to read change stream starting at LSN{${at}}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed.`,
          { javaClass: DEBEZIUM_EXCEPTION, context: { slot: config.slot.name, lsn: at } },
        )
      : postgresError(
          'postgres.slot_ahead',
          `The slot ${config.slot.name} was moved past the stored position LSN{${at}} by somebody else, so changes may be missing. Reconfigure the connector to use a snapshot mode when needed.`,
          { javaClass: DEBEZIUM_EXCEPTION, context: { slot: config.slot.name, lsn: at } },
        );
  }

  async #capture(plan: Plan, captured: readonly TableName[]): Promise<void> {
    const { config, context } = this.#options;
    const { signal } = this.#stopping;
    let from: StoredOffset | undefined = plan.resume;
    if (plan.snapshot) {
      if (config.snapshot.delayMs > 0) await context.clock.sleep(config.snapshot.delayMs, signal);
      from = await this.#snapshot(plan, captured);
    } else if (plan.slot === undefined && config.snapshot.stream) {
      from = await this.#slotOnly();
    }
    if (signal.aborted || !config.snapshot.stream) return;
    if (config.snapshot.streamingDelayMs > 0)
      await context.clock.sleep(config.snapshot.streamingDelayMs, signal);
    await this.#streamFrom(from);
  }

  /** Makes the slot where there is nothing to read before it. */
  async #slotOnly(): Promise<StoredOffset | undefined> {
    const { config } = this.#options;
    const replication = await openSession(config.connection, 'replication');
    try {
      const created = await this.#create(replication, config.slot.name, { temporary: false });
      return bare(created.consistentPoint, this.#options.stored?.map ?? {});
    } finally {
      await replication.end().catch(() => undefined);
    }
  }

  async #create(
    replication: pg.Client,
    name: string,
    { temporary }: { readonly temporary: boolean },
  ): Promise<CreatedSlot> {
    const { config, context } = this.#options;
    context.logger.info({ slot: name }, 'creating the slot; this waits for transactions that are open');
    const created = await createSlot(replication, name, {
      temporary,
      failover: config.slot.failover,
      serverVersion: this.#serverVersion(),
    });
    if (!temporary) this.#slotIsOurs = true;
    return created;
  }

  /**
   * Reads the tables as of the moment a slot was made (CORRECTNESS 1): our own when there was none, else a temporary
   * one, since only the making of a slot gives an exact pair of snapshot and position.
   */
  async #snapshot(plan: Plan, captured: readonly TableName[]): Promise<StoredOffset | undefined> {
    const { config, context, queue, sourcePartition, headers } = this.#options;
    const { signal } = this.#stopping;
    const temporary = plan.slot !== undefined || !config.snapshot.stream;
    const replication = await openSession(config.connection, 'replication');
    const client = await openSession(config.connection).catch(async (error: unknown) => {
      await replication.end().catch(() => undefined);
      throw error;
    });
    const abort = (): void => void client.end().catch(() => undefined);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const name = temporary
        ? `millrace_${process.pid}_${context.clock.nowMs().toString(36)}`
        : config.slot.name;
      const created = await this.#create(replication, name, { temporary });
      await importSnapshot(client, created.snapshotName);
      // The snapshot is held by the import now; the exporter may go, and with it a temporary slot.
      await replication.end().catch(() => undefined);
      const position = await snapshotPosition(client, created.consistentPoint, context.clock.nowMs());
      const tables = await tablesBySize(
        client,
        captured.filter((table) => config.snapshot.tables(qualified(table))),
        config,
      );
      const reader = new SnapshotReader({
        client,
        config,
        types: this.#types,
        identity: { logicalName: config.topicPrefix, database: config.connection.database },
        sourcePartition,
        headers,
        queue,
        clock: context.clock,
        logger: context.logger,
        position,
        signal,
      });
      const rows = await reader.read(tables);
      if (rows === 0) this.#completedSnapshot = reader.completeOffset;
      context.logger.info(
        { tables: tables.length, rows, lsn: formatLsn(created.consistentPoint) },
        'the snapshot is complete',
      );
      return bare(created.consistentPoint, reader.completeOffset);
    } finally {
      signal.removeEventListener('abort', abort);
      await client.end().catch(() => undefined);
      await replication.end().catch(() => undefined);
    }
  }

  async #streamFrom(from: StoredOffset | undefined): Promise<void> {
    const { config, context } = this.#options;
    const { signal } = this.#stopping;
    const start = from === undefined ? 0 : confirmablePosition(from);
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#open(from, start);
        return;
      } catch (error) {
        const busy = error instanceof Error && 'code' in error && error.code === 'postgres.slot_active';
        if (!busy || attempt >= config.slot.maxRetries) throw producerError(error);
        context.logger.warn({ err: error, attempt }, 'the slot is in use; trying again');
        await context.clock.sleep(config.slot.retryDelayMs, signal);
      }
    }
  }

  async #open(from: StoredOffset | undefined, start: Lsn): Promise<void> {
    const { config, context, queue, sourcePartition, headers, stored } = this.#options;
    const identity = { logicalName: config.topicPrefix, database: config.connection.database };
    const transactions = config.transactionMetadata
      ? new TransactionMetadata({ topic: config.rules.naming.transactionTopic, sourcePartition })
      : undefined;
    if (stored !== undefined && from === stored) transactions?.restore(stored.map);
    const replication = await openSession(config.connection, 'replication');
    if (this.#stopping.signal.aborted) {
      await replication.end().catch(() => undefined);
      return;
    }
    this.#xmin ??= XminWatch.start(config.xminIntervalMs, config.connection, context);
    const xmin = this.#xmin;
    const reader = new ChangeReader({
      identity,
      sourcePartition,
      headers,
      tombstones: config.tombstones,
      skipped: config.skipped,
      skipUnchanged: config.skipUnchanged,
      queue,
      clock: context.clock,
      captured: config.captured,
      describe: (relation) => this.#describe(relation),
      resume: () => stream.resume(),
      fail: (error) => this.#fail(error),
      stored: from,
      transactions,
      messages: logicalMessages(config, identity, sourcePartition),
      xmin: () => xmin?.current ?? null,
    });
    const stream = new ReplicationStream({
      client: replication,
      handler: reader,
      clock: context.clock,
      statusIntervalMs: this.#statusIntervalMs(),
    });
    await stream.start(
      startCommand(config, start, this.#serverVersion()),
      start > this.#durable ? start : this.#durable,
    );
    this.#slotIsOurs = true;
    this.#reader = reader;
    this.#stream = stream;
    if (this.#stopping.signal.aborted) await stream.close();
    context.logger.info({ slot: config.slot.name, lsn: formatLsn(start) }, 'streaming changes');
  }

  async #describe(relation: Relation): Promise<TableSchema> {
    const { config } = this.#options;
    const client = this.#client;
    if (client === undefined)
      throw postgresError('postgres.connection_lost', 'the session for the catalog is gone');
    return this.#ask(
      async () => {
        this.#types.forgetEnums();
        await this.#types.load(
          client,
          relation.columns.map((column) => column.typeOid),
        );
        const catalog = await readTable(client, relation.oid);
        return tableSchema({
          table: relation,
          columns: relation.columns,
          catalog,
          types: this.#types,
          rules: config.rules,
          origin: 'stream',
        });
      },
      `Cannot read the definition of ${qualified(relation)}`,
    );
  }

  #statusIntervalMs(): number {
    const timeout = this.#facts?.walSenderTimeoutMs ?? 0;
    const third = timeout > 0 ? timeout / 3 : DEFAULT_STATUS_MS;
    return Math.max(100, Math.min(DEFAULT_STATUS_MS, third, this.#options.config.statusIntervalMs));
  }

  #serverVersion(): number {
    return this.#facts?.version ?? 0;
  }

  async #ask<T>(query: () => Promise<T>, doing: string): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw toPostgresError(error, doing);
    }
  }

  #fail(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.context.logger.debug({ err: error }, 'capture ended');
    this.#options.queue.fail(error);
  }
}

/** A position that is no row's: where a slot or a snapshot starts. */
function bare(lsn: Lsn, map: OffsetMap): StoredOffset {
  return {
    lsn,
    lastCommitLsn: undefined,
    transactionId: undefined,
    changesAtLsn: 0,
    messageType: undefined,
    timestampUs: undefined,
    snapshot: undefined,
    map,
  };
}

/** The only isolation that can import a snapshot is repeatable read or higher (CORRECTNESS 3). */
async function importSnapshot(client: pg.Client, name: string): Promise<void> {
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}`);
    await client.query('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
  } catch (error) {
    throw toPostgresError(error, 'Cannot take over the snapshot of the slot');
  }
}

async function snapshotPosition(client: pg.Client, lsn: Lsn, nowMs: number): Promise<SnapshotPosition> {
  const { rows } = await client.query<{ xid: string; us: string }>(
    'select txid_snapshot_xmin(txid_current_snapshot())::text as xid, (extract(epoch from now()) * 1000000)::int8::text as us',
  );
  const row = rows[0];
  return {
    kind: 'INITIAL',
    lsn,
    transactionId: Number(row?.xid ?? 0),
    timestampUs: row === undefined ? nowMs * 1000 : Number(row.us),
  };
}

/** Debezium's words around what ends its reader. */
function producerError(cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return postgresError(
    (code.startsWith('postgres.') ? code : 'postgres.connection_lost') as 'postgres.connection_lost',
    'An exception occurred in the change event producer. This connector will be stopped.',
    { cause, context: { cause: messageOf(cause) } },
  );
}
