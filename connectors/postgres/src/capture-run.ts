// One run of capture, from the first look at the server to the last byte of the stream: preparation in `start`, which
// fails the task with the reason, then snapshot and streaming in the background, which fail the queue.
import { randomUUID } from 'node:crypto';
import {
  ActivityStep,
  type Headers,
  type OffsetMap,
  type SourcePartition,
  type SourceRecord,
  type SourceTaskContext,
  type TaskActivity,
} from '@millrace/connect-api';
import {
  type ChangeQueue,
  type Notification,
  Notifications,
  type PrivateRecords,
  type SnapshotProgress,
  type StreamCounts,
} from '@millrace/connector-common';
import { onAbort } from '@millrace/foundation';
import type pg from 'pg';
import type { Beginning } from './beginning.ts';
import { isFinished, makePlan, type Plan } from './capture-plan.ts';
import { CatalogSession } from './catalog-session.ts';
import type { PostgresConfig } from './config.ts';
import { endOnAbort, openSession, runHeartbeatQuery } from './connection.ts';
import { ask, fromServer, postgresError, producerError } from './errors.ts';
import { checkGuardrail } from './guardrail.ts';
import { LineageGuard } from './lineage-guard.ts';
import {
  bareOffset,
  betweenOffset,
  confirmablePosition,
  type StoredOffset,
  snapshotOffset,
} from './offset.ts';
import { type Lsn, maxLsn } from './protocol/lsn.ts';
import { prepareIdentities, preparePublication } from './publication.ts';
import {
  checkPosition,
  dropSlot,
  maxPosition,
  openForCreation,
  readSlot,
  requireUsable,
  type SlotState,
} from './replication-slot.ts';
import { listTables, type TableName, TypeCatalog } from './schema/catalog.ts';
import type { SchemaRules } from './schema/table-schema.ts';
import { unconvertibleValues } from './schema/unconvertible.ts';
import { readServerFacts, requireLogicalWal, type ServerFacts } from './server.ts';
import { snapshotPosition } from './snapshot/snapshot-run.ts';
import { Snapshots } from './snapshot/snapshots.ts';
import type { SourceIdentity } from './source-info.ts';
import type { StoredMarks } from './stored-marks.ts';
import { StreamingRun } from './streaming/streaming-run.ts';

export interface CaptureRunOptions {
  readonly config: PostgresConfig;
  readonly context: SourceTaskContext;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly privates: PrivateRecords;
  readonly marks: StoredMarks;
  readonly beginning: Beginning;
  readonly progress: SnapshotProgress;
  readonly counts: StreamCounts;
  readonly stored: StoredOffset | undefined;
}

const POSITION_WAIT_MS = 5000;

export class CaptureRun {
  readonly #options: CaptureRunOptions;
  readonly #types = new TypeCatalog();
  readonly #stopping = new AbortController();
  readonly #catalog: CatalogSession;
  #facts: ServerFacts | undefined;
  /** The replication session that the server was identified on, until it is used. */
  #session: pg.Client | undefined;
  #streaming: StreamingRun | undefined;
  #background: Promise<void> = Promise.resolve();
  #completedSnapshot: OffsetMap | undefined;
  #beginning: OffsetMap | undefined;
  #durable: Lsn = 0;
  #slotIsOurs = false;
  #failed = false;
  /** To be done once it is stored that nothing is known of tables that are not captured any more. */
  #forgotten: (() => Promise<void>) | undefined;
  /** Called when it is fixed where the stream begins. */
  #positioned: (() => void) | undefined;
  readonly #notifications: Notifications;
  readonly #lineage: LineageGuard;
  readonly #identity: SourceIdentity;
  readonly #snapshots: Snapshots;
  /** Everything before the stream runs. */
  readonly #step = new ActivityStep();
  #rules: SchemaRules;
  #beginsAnew = false;

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
    this.#catalog = new CatalogSession(config.connection, () => {
      // INV-7: without it neither the lag nor the tables that come next are known.
      if (this.#streaming !== undefined)
        this.#fail(postgresError('postgres.connection_lost', 'The session for the catalog was closed'));
    });
    this.#lineage = new LineageGuard({ config, context, sourcePartition, records: options.privates });
    this.#identity = { logicalName: config.topicPrefix, database: config.connection.database };
    this.#snapshots = new Snapshots({
      ...options,
      notifications: this.#notifications,
      step: this.#step,
      types: this.#types,
      identity: this.#identity,
      signal: this.#stopping.signal,
      rules: () => this.#rules,
      serverVersion: () => this.#serverVersion(),
      catalog: () => this.#catalog.client(),
      onCreated: ({ name, temporary }) => this.#onCreated(name, temporary),
      onBeginning: (offset) => this.#storeBeginning(offset),
    });
  }

  /** Whether a stored offset, if there is one, is given up. */
  get beginsAnew(): boolean {
    return this.#beginsAnew;
  }

  /** The offset that a stream without a snapshot before it begins with; undefined before it does. */
  get beginning(): OffsetMap | undefined {
    return this.#beginning;
  }

  /** Prepares the server and starts reading. @throws what is wrong with server, publication, slot or position */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      throw fromServer(error, 'Cannot begin to capture');
    }
  }

  async #start(): Promise<void> {
    const { config, context } = this.#options;
    this.#step.enter(`connecting to Postgres at ${config.connection.host}:${config.connection.port}`);
    const client = await this.#catalog.client();
    this.#step.enter('preparing publication and slot');
    const facts = await ask(() => readServerFacts(client), 'Cannot read the settings of the server');
    this.#facts = facts;
    // A database without an encoding may hold text that is no UTF-8.
    const utf8 = facts.encoding !== 'SQL_ASCII';
    this.#rules = {
      ...config.rules,
      modes: { ...config.rules.modes, utf8 },
      onUnconvertible: unconvertibleValues(config.conversionFailures, this.#options.counts, context.logger),
    };
    requireLogicalWal(facts);
    const captured = (
      await ask(() => listTables(client, config.includeBuiltin), 'Cannot list the tables')
    ).filter(config.captured);
    this.#options.counts.capturedTables = captured.length;
    checkGuardrail(config, captured.length, context.logger);
    const plan = await this.#plan(client, facts);
    if (plan.givenUp !== undefined) await this.#dropGivenUp(client, plan.givenUp);
    this.#beginsAnew = plan.resume === undefined;
    if (plan.slot !== undefined && config.snapshot.stream)
      this.#settle(plan.slot, plan.resume ?? plan.interrupted);
    if (config.snapshot.stream) {
      const prepare = (on: pg.Client, keepsOthers: boolean): Promise<void> =>
        preparePublication(on, config, captured, context.logger, { keepsOthers });
      const goesOn = plan.interrupted !== undefined;
      await prepare(client, goesOn);
      if (goesOn) this.#forgotten = async () => await prepare(await this.#catalog.client(), false);
      await prepareIdentities(client, config, captured, context.logger);
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

  /** An offset of this run is stored. */
  offsetStored(): void {
    this.#lineage.offsetStored();
  }

  /** Everything up to `lsn` is durable downstream. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#durable) this.#durable = lsn;
    // INV-3: a slot is moved only once it is stored whose slot it is.
    if (this.#lineage.durable) this.#streaming?.confirm(this.#durable);
  }

  /** What has to get on; waiting for changes has not. */
  get activity(): TaskActivity | null {
    return this.#step.activity ?? this.#streaming?.activity ?? null;
  }
  /** Whether changes are being received. */
  get connected(): boolean {
    return this.#streaming !== undefined && !this.#failed;
  }
  /** What reads changes now; undefined before it does. */
  get streaming(): StreamingRun | undefined {
    return this.#streaming;
  }
  /** See StreamingRun.caughtUp. */
  get caughtUp(): boolean {
    return this.connected && this.#streaming?.caughtUp === true;
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
    if (query === undefined || this.#stopping.signal.aborted) return;
    await runHeartbeatQuery(await this.#catalog.client(), query, context.logger);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    const { config, context, queue } = this.#options;
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    queue.fail(postgresError('postgres.connection_lost', 'the task stops'));
    await this.#streaming?.close();
    await this.#background;
    await this.#session?.end().catch(() => undefined);
    const client = await this.#catalog.current();
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
    const { readsAlways, stream } = config.snapshot;
    const slot = await ask(() => readSlot(client, config.slot.name, facts.version), 'Cannot read the slot');
    if (slot !== undefined) requireUsable(slot, config);
    const finished = isFinished(stored);
    if (stream || !finished || readsAlways) await this.#identify(slot === undefined || !finished);
    return makePlan({
      config,
      logger: context.logger,
      stored,
      slot,
      walEnd: facts.walEnd,
      lineage: (offset) => this.#lineage.breakOf(facts, slot, maxPosition(offset)),
      position: (offset) => checkPosition(slot, offset, facts.walEnd),
    });
  }

  /**
   * Opens the replication session and learns who the server is. Before anything is changed on the server: a user that
   * may not replicate is told so first, in the words for what was to be done.
   */
  async #identify(creates: boolean): Promise<void> {
    const { connection } = this.#options.config;
    this.#session = creates
      ? await openForCreation(connection)
      : await openSession(connection, 'replication');
    await this.#lineage.identify(this.#session);
  }

  #settle(slot: SlotState, resume: StoredOffset | undefined): void {
    const facts = this.#facts;
    if (facts === undefined) return;
    const offsetReplaced = this.#options.stored !== undefined && resume === undefined;
    this.#lineage.settle(facts, slot, { offsetReplaced });
    void this.#lineage.stored.then(() => this.confirm(this.#durable));
  }

  async #dropGivenUp(client: pg.Client, reason: string): Promise<void> {
    const { config, context } = this.#options;
    context.logger.warn({ slot: config.slot.name, reason }, 'dropping a slot that the server gave up');
    await dropSlot(client, config.slot.name);
  }

  async #capture(plan: Plan, captured: readonly TableName[]): Promise<void> {
    const { config, context } = this.#options;
    const { signal } = this.#stopping;
    let from: StoredOffset | undefined = plan.resume;
    this.#step.leave();
    if (plan.snapshot) {
      if (config.snapshot.delayMs > 0) await context.clock.sleep(config.snapshot.delayMs, signal);
      const result = await this.#snapshots.initial(this.#takeSession(), captured, {
        ownSlot: plan.slot === undefined && config.snapshot.stream,
        interrupted: plan.interrupted,
      });
      this.#completedSnapshot = result.uncarried;
      from = result.from;
    } else if (config.snapshot.stream) from = await this.#fromSlot(plan);
    if (!plan.snapshot) {
      this.#options.progress.skipped();
      this.#beginning = from?.map;
      this.#notify({ aggregate: 'Initial Snapshot', type: 'SKIPPED' });
    }
    if (signal.aborted || !config.snapshot.stream) return;
    if (config.snapshot.streamingDelayMs > 0)
      await context.clock.sleep(config.snapshot.streamingDelayMs, signal);
    await this.#streamFrom(from);
  }

  /** Where the stream begins that has no snapshot before it. */
  async #fromSlot({ resume, slot }: Plan): Promise<StoredOffset | undefined> {
    const lsn = slot === undefined ? await this.#snapshots.slotOnly(this.#takeSession()) : undefined;
    if (resume !== undefined) return lsn === undefined ? resume : bareOffset(lsn, resume.map);
    // Where somebody else still reads it, that is not where it stands when we do.
    const begins = lsn ?? (slot?.active === true ? undefined : slot?.confirmedFlushLsn);
    if (begins === undefined) return undefined;
    this.#positioned?.();
    const nowMs = this.#options.context.clock.nowMs();
    const position = await snapshotPosition(await this.#catalog.client(), begins, nowMs);
    const offset = betweenOffset(snapshotOffset(position, true));
    // INV-3: without it a slot that is lost before the first change would be made anew in silence, behind a gap.
    this.#step.enter('storing where the stream begins');
    await this.#storeBeginning(offset);
    this.#step.leave();
    return bareOffset(begins, offset);
  }

  #notify(notification: Notification): void {
    const { queue, beginning } = this.#options;
    const record = this.#notifications.record(notification, beginning.ofRecords?.map ?? {});
    if (record !== undefined) queue.put({ records: [record], bytes: 0 });
  }

  #takeSession(): pg.Client {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined)
      throw postgresError('postgres.connection_lost', 'the connection for the slot is gone');
    return session;
  }

  async #onCreated(name: string, temporary: boolean): Promise<void> {
    if (!temporary) {
      this.#slotIsOurs = true;
      await this.#settleCreated(name);
    }
    this.#positioned?.();
  }

  /**
   * INV-3: a row that a consumer has may be deleted before a later run reads the table. Only a stream that begins where
   * this one does tells of that, so where it begins is stored before any row is handed out, and beside it whose position
   * it is.
   */
  async #storeBeginning(offset: OffsetMap): Promise<void> {
    const { signal } = this.#stopping;
    signal.throwIfAborted();
    const stored = this.#options.beginning.keep(offset).then(() => {
      this.#lineage.offsetStored();
      return this.#lineage.stored;
    });
    await new Promise<void>((resolve) => {
      const forget = onAbort(signal, resolve);
      void stored.then(() => {
        forget();
        resolve();
      });
    });
    signal.throwIfAborted();
    await this.#forgotten?.();
  }

  async #settleCreated(name: string): Promise<void> {
    if (!this.#options.config.snapshot.stream) return;
    const client = await this.#catalog.client();
    const slot = await ask(() => readSlot(client, name, this.#serverVersion()), 'Cannot read the slot');
    if (slot !== undefined) this.#settle(slot, undefined);
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
        this.#step.stay(`waiting for the slot ${config.slot.name}`);
        this.#step.failing(error);
        await context.clock.sleep(config.slot.retryDelayMs, signal);
      }
    }
  }

  async #open(from: StoredOffset | undefined, start: Lsn): Promise<void> {
    const { config, context, queue, counts, sourcePartition, headers, stored } = this.#options;
    const facts = this.#facts;
    if (facts === undefined) return;
    const catalog = await this.#catalog.client();
    const session = await this.#streamSession();
    const resumed = from === stored ? stored : undefined;
    // What a stored offset confirms is durable; what a snapshot of this run begins at is so once its offset is stored.
    if (resumed !== undefined && config.confirms) this.#durable = maxLsn(this.#durable, start);
    const streaming = new StreamingRun({
      config,
      rules: this.#rules,
      types: this.#types,
      catalog,
      facts,
      identity: this.#identity,
      context,
      queue,
      counts,
      sourcePartition,
      headers,
      notifications: this.#notifications,
      privates: this.#options.privates,
      marks: this.#options.marks,
      from,
      resumed,
      start,
      durable: this.#lineage.durable ? this.#durable : 0,
      session,
      fail: (error) => this.#fail(error),
      endOnStop: (client) => endOnAbort(client, this.#stopping.signal),
      blockingSnapshot: (request, offset) => this.#snapshots.blocking(request, offset),
    });
    try {
      this.#step.stay(`waiting for the slot ${config.slot.name}`);
      await streaming.start();
      this.#step.leave();
    } catch (error) {
      await streaming.close();
      throw error;
    }
    this.#slotIsOurs = true;
    this.#streaming = streaming;
    this.#positioned?.();
    if (this.#stopping.signal.aborted) await streaming.close();
  }

  async #streamSession(): Promise<pg.Client> {
    if (this.#session === undefined) return await this.#lineage.openSession();
    const session = this.#takeSession();
    await this.#lineage.verify(session);
    return session;
  }

  #serverVersion(): number {
    return this.#facts?.version ?? 0;
  }

  #fail(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#failed = true;
    this.#options.context.logger.debug({ err: error }, 'capture ended');
    this.#options.queue.fail(fromServer(error, 'Cannot go on with the capture'));
  }
}
