// One run of capture, from the first look at the server to the last byte of the stream: preparation in `start`, which
// fails the task with the reason, then snapshot and streaming in the background, which fail the queue.
import { randomUUID } from 'node:crypto';
import type {
  Headers,
  OffsetMap,
  SourceOffset,
  SourcePartition,
  SourceRecord,
  SourceTaskContext,
} from '@millrace/connect-api';
import {
  type ChangeQueue,
  matchesAny,
  type Notification,
  Notifications,
  type SnapshotRequest,
} from '@millrace/connector-common';
import { messageOf } from '@millrace/foundation';
import type pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { openSession } from './connection.ts';
import { DEBEZIUM_EXCEPTION, postgresError, sqlStateOf, toPostgresError } from './errors.ts';
import { confirmablePosition, type StoredOffset } from './offset.ts';
import { formatLsn, type Lsn } from './protocol/lsn.ts';
import { prepareIdentities, preparePublication } from './publication.ts';
import {
  type CreatedSlot,
  checkPosition,
  createSlot,
  dropSlot,
  openForCreation,
  readSlot,
  requireUsable,
  type SlotState,
} from './replication-slot.ts';
import { listTables, qualified, type TableName, TypeCatalog } from './schema/catalog.ts';
import type { SchemaRules } from './schema/table-schema.ts';
import { readServerFacts, requireLogicalWal, type ServerFacts } from './server.ts';
import { runSnapshot, type SnapshotRunOptions } from './snapshot/snapshot-run.ts';
import type { SourceIdentity } from './source-info.ts';
import { StreamingRun } from './streaming/streaming-run.ts';

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

const POSITION_WAIT_MS = 5000;

export class CaptureRun {
  readonly #options: CaptureRunOptions;
  readonly #types = new TypeCatalog();
  readonly #stopping = new AbortController();
  #client: pg.Client | undefined;
  #facts: ServerFacts | undefined;
  /** The connection that creates the slot, until it is used. */
  #creator: pg.Client | undefined;
  #streaming: StreamingRun | undefined;
  #background: Promise<void> = Promise.resolve();
  #completedSnapshot: OffsetMap | undefined;
  #durable: Lsn = 0;
  #slotIsOurs = false;
  /** Called when it is fixed where the stream begins. */
  #positioned: (() => void) | undefined;
  readonly #notifications: Notifications;
  #rules: SchemaRules;

  constructor(options: CaptureRunOptions) {
    this.#options = options;
    this.#rules = options.config.rules;
    const { config, context, sourcePartition } = options;
    this.#notifications = new Notifications({
      ...config.notifications,
      connectorName: config.topicPrefix,
      sourcePartition,
      clock: context.clock,
      logger: context.logger,
      randomId: randomUUID,
    });
  }

  /** Prepares the server and starts reading. @throws what is wrong with server, publication, slot or position */
  async start(): Promise<void> {
    const { config, context } = this.#options;
    const client = await openSession(config.connection);
    this.#client = client;
    const facts = await this.#ask(() => readServerFacts(client), 'Cannot read the settings of the server');
    this.#facts = facts;
    // A database without an encoding may hold text that is no UTF-8.
    const utf8 = facts.encoding !== 'SQL_ASCII';
    this.#rules = { ...config.rules, modes: { ...config.rules.modes, utf8 } };
    requireLogicalWal(facts);
    const captured = (
      await this.#ask(() => listTables(client, config.includeBuiltin), 'Cannot list the tables')
    ).filter(config.captured);
    const planned = await this.#plan(client, facts);
    // A slot that the server has given up serves nobody: where nothing is resumed, a new one takes its place.
    const givenUp =
      config.snapshot.stream && planned.resume === undefined ? planned.slot?.givenUp : undefined;
    const plan = givenUp === undefined ? planned : { ...planned, slot: undefined };
    // Opened before anything is changed on the server: a user that may not replicate is told so first.
    if (plan.snapshot || (plan.slot === undefined && config.snapshot.stream)) {
      this.#creator = await openForCreation(config.connection);
    }
    if (givenUp !== undefined) {
      context.logger.warn(
        { slot: config.slot.name, reason: givenUp },
        'dropping a slot that the server gave up',
      );
      await dropSlot(client, config.slot.name);
    }
    if (config.snapshot.stream) {
      await preparePublication(client, config, captured, context.logger);
      await prepareIdentities(client, config, captured);
    }
    const positioned = new Promise<void>((resolve) => {
      this.#positioned = resolve;
    });
    this.#background = this.#capture(plan, captured).catch((error: unknown) => this.#fail(error));
    // What is changed once the task runs is a change, not part of a snapshot: wait until the position is fixed, which
    // only transactions that stay open can delay for long.
    const waiting = new AbortController();
    await Promise.race([positioned, this.#background, context.clock.sleep(POSITION_WAIT_MS, waiting.signal)]);
    waiting.abort();
  }

  /** Everything up to `lsn` is durable downstream. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#durable) this.#durable = lsn;
    this.#streaming?.confirm(lsn);
  }

  /** See ChangeReader.completeLsn. */
  completeLsn(): Lsn | undefined {
    return this.#streaming?.completeLsn;
  }

  /** The offset of the end of the last transaction, if one has ended. */
  completeOffset(): SourceOffset | undefined {
    return this.#streaming?.completeOffset;
  }

  /** See StreamingRun.incrementalState. */
  incrementalState(): OffsetMap | undefined {
    return this.#streaming?.incrementalState;
  }

  /** Whether the server should learn of our position soon: a transaction has ended after `lsn`, or the server asks. */
  isDue(lsn: Lsn): boolean {
    if (this.#streaming?.takeUrgent() === true) return true;
    const ended = this.#streaming?.lastCommitLsn ?? null;
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
    await this.#streaming?.close();
    await this.#background;
    await this.#creator?.end().catch(() => undefined);
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
    const position = checkPosition(slot, stored, facts.walEnd);
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
    throw this.#positionLost(stored, position, slot?.givenUp);
  }

  #positionLost(stored: StoredOffset, position: 'lost' | 'ahead', reason: string | undefined): Error {
    const { config } = this.#options;
    const at = formatLsn(stored.lsn);
    return position === 'lost'
      ? postgresError(
          'postgres.slot_lost',
          `The connector is trying to read change stream starting at LSN{${at}}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed.`,
          {
            javaClass: DEBEZIUM_EXCEPTION,
            context: { slot: config.slot.name, lsn: at, ...(reason === undefined ? {} : { reason }) },
            ...(reason === undefined
              ? {}
              : { hint: `The server gave the slot up (${reason}). ${READ_AGAIN}` }),
          },
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
    if (!plan.snapshot) this.#notify({ aggregate: 'Initial Snapshot', type: 'SKIPPED' });
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

  /** Ends a session when the task stops, whatever it is doing; returns how to take that back. */
  #endOnStop(client: pg.Client): () => void {
    const { signal } = this.#stopping;
    const end = (): void => void client.end().catch(() => undefined);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    return () => signal.removeEventListener('abort', end);
  }

  #notify(notification: Notification): void {
    const { queue, stored } = this.#options;
    const record = this.#notifications.record(notification, stored?.map ?? {});
    if (record !== undefined) queue.put({ records: [record], bytes: 0 });
  }

  #takeCreator(): pg.Client {
    const creator = this.#creator;
    this.#creator = undefined;
    if (creator === undefined)
      throw postgresError('postgres.connection_lost', 'the connection for the slot is gone');
    return creator;
  }

  /** Makes the slot where there is nothing to read before it. */
  async #slotOnly(): Promise<StoredOffset | undefined> {
    const { config } = this.#options;
    const replication = this.#takeCreator();
    const release = this.#endOnStop(replication);
    try {
      const created = await this.#create(replication, config.slot.name, { temporary: false });
      return bare(created.consistentPoint, this.#options.stored?.map ?? {});
    } finally {
      release();
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
    this.#positioned?.();
    return created;
  }

  /**
   * Reads the tables as of the moment a slot was made: our own when there was none, else a temporary
   * one, since only the making of a slot gives an exact pair of snapshot and position.
   */
  async #snapshot(plan: Plan, captured: readonly TableName[]): Promise<StoredOffset | undefined> {
    const { config } = this.#options;
    const temporary = plan.slot !== undefined || !config.snapshot.stream;
    const name = temporary ? this.#temporaryName() : config.slot.name;
    const result = await runSnapshot({
      ...this.#snapshotParts(),
      creator: this.#takeCreator(),
      create: (creator) => this.#create(creator, name, { temporary }),
      tables: captured.filter((table) => config.snapshot.tables(qualified(table))),
      select: config.snapshot.select,
    });
    if (result.rows === 0) this.#completedSnapshot = result.completeOffset;
    return bare(result.consistentPoint, result.completeOffset);
  }

  #temporaryName(): string {
    return `millrace_${process.pid}_${randomUUID().replaceAll('-', '')}`;
  }

  #snapshotParts(): Omit<SnapshotRunOptions, 'creator' | 'create' | 'tables' | 'select' | 'offset'> {
    const { config, context, queue, sourcePartition, headers } = this.#options;
    return {
      notifications: this.#notifications,
      endOnStop: (client) => this.#endOnStop(client),
      config,
      rules: this.#rules,
      types: this.#types,
      identity: this.#identity(),
      sourcePartition,
      headers,
      queue,
      clock: context.clock,
      logger: context.logger,
      signal: this.#stopping.signal,
    };
  }

  #identity(): SourceIdentity {
    const { config } = this.#options;
    return { logicalName: config.topicPrefix, database: config.connection.database };
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
    const catalog = this.#client;
    const facts = this.#facts;
    if (catalog === undefined || facts === undefined) return;
    const streaming = new StreamingRun({
      config,
      rules: this.#rules,
      types: this.#types,
      catalog,
      facts,
      identity: this.#identity(),
      context,
      queue,
      sourcePartition,
      headers,
      notifications: this.#notifications,
      from,
      resumed: from === stored ? stored : undefined,
      start,
      durable: this.#durable,
      fail: (error) => this.#fail(error),
      endOnStop: (client) => this.#endOnStop(client),
      blockingSnapshot: (request, offset) => this.#blockingSnapshot(request, offset),
    });
    try {
      await streaming.start();
    } catch (error) {
      await streaming.close();
      throw error;
    }
    this.#slotIsOurs = true;
    this.#streaming = streaming;
    this.#positioned?.();
    if (this.#stopping.signal.aborted) await streaming.close();
  }

  /** Reads the tables that a signal names, as of now; the stream waits meanwhile. */
  async #blockingSnapshot(request: SnapshotRequest, offset: SourceOffset): Promise<void> {
    const { config } = this.#options;
    const client = this.#client;
    if (client === undefined) return;
    const matches = matchesAny(request.collections.join(','));
    const tables = await listTables(client, config.includeBuiltin);
    await runSnapshot({
      ...this.#snapshotParts(),
      creator: await openForCreation(config.connection),
      create: (creator) => this.#create(creator, this.#temporaryName(), { temporary: true }),
      tables: tables.filter(config.captured).filter((table) => matches(qualified(table))),
      offset,
      select: (table) => request.conditions.find(({ collection }) => matchesAny(collection)(table))?.filter,
    });
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

const READ_AGAIN =
  'Set snapshot.mode=when_needed to read the tables again, or reset the offsets; the connector replaces the slot.';

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

/** Debezium's words around what ends its reader. */
function producerError(cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return postgresError(
    (code.startsWith('postgres.') ? code : 'postgres.connection_lost') as 'postgres.connection_lost',
    'An exception occurred in the change event producer. This connector will be stopped.',
    { cause, context: { cause: messageOf(cause) } },
  );
}
