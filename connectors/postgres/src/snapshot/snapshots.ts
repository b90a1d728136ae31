// The snapshots of a run, and the slots they are made with: only the making of a slot gives an exact pair of snapshot
// and position.
import type {
  ActivityStep,
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
  type Notifications,
  type SnapshotProgress,
  type SnapshotRequest,
} from '@millrace/connector-common';
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { endOnAbort } from '../connection.ts';
import { bareOffset, type StoredOffset } from '../offset.ts';
import type { Lsn } from '../protocol/lsn.ts';
import { type CreatedSlot, createSlot, openForCreation, temporaryName } from '../replication-slot.ts';
import { listTables, plainName, qualified, type TableName, type TypeCatalog } from '../schema/catalog.ts';
import type { SchemaRules } from '../schema/table-schema.ts';
import type { SourceIdentity } from '../source-info.ts';
import { runSnapshot, type SnapshotRunOptions } from './snapshot-run.ts';
import { parseSnapshotState, SNAPSHOT_EXACT, SNAPSHOT_SHAPE } from './snapshot-state.ts';

export interface SnapshotsOptions {
  readonly config: PostgresConfig;
  readonly context: SourceTaskContext;
  readonly queue: ChangeQueue<SourceRecord>;
  readonly sourcePartition: SourcePartition;
  readonly headers: Headers;
  readonly progress: SnapshotProgress;
  readonly notifications: Notifications;
  readonly step: ActivityStep;
  readonly types: TypeCatalog;
  readonly identity: SourceIdentity;
  /** Fires when the run ends. */
  readonly signal: AbortSignal;
  readonly rules: () => SchemaRules;
  readonly serverVersion: () => number;
  readonly catalog: () => Promise<pg.Client>;
  /** A slot was made, and with it fixed where the stream begins; resolves when that is noted. */
  readonly onCreated: (slot: { readonly name: string; readonly temporary: boolean }) => Promise<void>;
  /** A snapshot that a later run goes on with begins or goes on; resolves when its offset is stored. */
  readonly onBeginning: (offset: OffsetMap) => Promise<void>;
}

/** What an initial snapshot leaves: where the stream begins, and the offset that no row was there to carry. */
export interface InitialSnapshot {
  readonly from: StoredOffset | undefined;
  readonly uncarried: OffsetMap | undefined;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
  }

  /**
   * Reads the tables as of the moment a slot was made: our own when there was none (`ownSlot`), else a temporary one. A
   * snapshot that was interrupted is gone on with; the stream begins where its first run was. `creator` is ended.
   */
  async initial(
    creator: pg.Client,
    captured: readonly TableName[],
    { ownSlot, interrupted }: { readonly ownSlot: boolean; readonly interrupted: StoredOffset | undefined },
  ): Promise<InitialSnapshot> {
    const { config } = this.#options;
    const result = await runSnapshot({
      ...this.#parts(),
      creator,
      create: (session) =>
        this.#create(session, ownSlot ? config.slot.name : temporaryName(), { temporary: !ownSlot }),
      ...this.#toRead(captured.filter((table) => config.snapshot.tables(qualified(table)))),
      select: config.snapshot.select,
      ...this.#goingOn(interrupted, captured),
      onBeginning: this.#options.onBeginning,
    });
    return {
      from: bareOffset(result.start, result.completeOffset),
      uncarried: result.rows === 0 ? result.completeOffset : undefined,
    };
  }

  /** Makes the slot where there is nothing to read before it, and says where it begins; `creator` is ended. */
  async slotOnly(creator: pg.Client): Promise<Lsn> {
    const { config, signal } = this.#options;
    const release = endOnAbort(creator, signal);
    try {
      return (await this.#create(creator, config.slot.name, { temporary: false })).consistentPoint;
    } finally {
      release();
      await creator.end().catch(() => undefined);
    }
  }

  /** Reads the tables that a signal names, as of now; the stream waits meanwhile, and goes on with the offset returned. */
  async blocking(request: SnapshotRequest, offset: SourceOffset): Promise<SourceOffset> {
    const { config } = this.#options;
    const client = await this.#options.catalog();
    const matches = matchesAny(request.collections.join(','));
    const tables = await listTables(client, config.includeBuiltin);
    const { offsetBetween } = await runSnapshot({
      ...this.#parts(),
      creator: await openForCreation(config.connection),
      create: (creator) => this.#create(creator, temporaryName(), { temporary: true }),
      ...this.#toRead(tables.filter(config.captured).filter((table) => matches(qualified(table)))),
      offset,
      exact: false,
      // By name, other than in incremental snapshots.
      select: (table) => request.conditions.find(({ collection }) => plainName(collection) === table)?.filter,
    });
    return offsetBetween;
  }

  /** Where a snapshot that was interrupted is gone on with, and whether what is known of it is exact. */
  #goingOn(
    interrupted: StoredOffset | undefined,
    captured: readonly TableName[],
  ): Pick<SnapshotRunOptions, 'exact' | 'resumable'> {
    const { config, context } = this.#options;
    const { exactlyOnce = false, logger } = context;
    const { stream, shape } = config.snapshot;
    if (!stream) return { exact: false };
    if (interrupted === undefined)
      return { exact: exactlyOnce, resumable: { start: undefined, state: undefined, shape } };
    const { [SNAPSHOT_SHAPE]: was = shape, [SNAPSHOT_EXACT]: wasExact } = interrupted.map;
    const stored = parseSnapshotState(interrupted.map);
    // INV-3: what becomes of a table that is not captured now, the stream does not tell once it is again. Rows that were
    // made into other records, or sent elsewhere, are missing as those of this config.
    const names = new Set(was === shape ? captured.map(qualified) : []);
    const state = stored && new Map([...stored].filter(([name]) => names.has(name)));
    if (was !== shape)
      logger.info('the config makes other records than before: the snapshot reads all tables again');
    return {
      // What a run that delivered at least once has left behind is not exact for one that delivers exactly once.
      exact: exactlyOnce && wasExact === true && state?.size === stored?.size,
      resumable: { start: interrupted.lsn, state, shape },
    };
  }

  async #create(
    session: pg.Client,
    name: string,
    { temporary }: { readonly temporary: boolean },
  ): Promise<CreatedSlot> {
    const { config, context, step, serverVersion, onCreated } = this.#options;
    context.logger.info({ slot: name }, 'creating the slot; this waits for transactions that are open');
    step.enter(
      `creating the slot ${name}, which waits for all transactions that are open`,
      'End the transactions that stay open: select pid, xact_start, query from pg_stat_activity order by xact_start.',
    );
    const { failover } = config.slot;
    const created = await createSlot(session, name, { temporary, failover, serverVersion: serverVersion() });
    step.leave();
    await onCreated({ name, temporary });
    return created;
  }

  /** The rows of the signal table are no data. */
  #toRead(tables: readonly TableName[]): Pick<SnapshotRunOptions, 'tables' | 'listed'> {
    const { snapshot, signals } = this.#options.config;
    const listed = snapshot.inOrder(tables);
    return { listed, tables: listed.filter((table) => qualified(table) !== signals.table) };
  }

  #parts(): Omit<
    SnapshotRunOptions,
    'creator' | 'create' | 'tables' | 'listed' | 'select' | 'offset' | 'exact'
  > {
    const { context, signal, rules, config, types, identity } = this.#options;
    const { progress, notifications, step, queue, sourcePartition, headers } = this.#options;
    return {
      progress,
      notifications,
      step,
      endOnStop: (client) => endOnAbort(client, signal),
      config,
      rules: rules(),
      types,
      identity,
      sourcePartition,
      headers,
      queue,
      clock: context.clock,
      logger: context.logger,
      signal,
    };
  }
}
