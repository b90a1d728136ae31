// Keeps the lineage of a run: asks the server who it is, compares that with what was stored, and sees to it that the
// new lineage is stored at the right moment, after the old offset is gone and before the slot is moved.
import type { OffsetMap, SourcePartition, SourceTaskContext } from '@millrace/connect-api';
import type { PrivateRecords } from '@millrace/connector-common';
import type pg from 'pg';
import type { PostgresConfig } from './config.ts';
import { openSession } from './connection.ts';
import { ask, postgresError } from './errors.ts';
import {
  type Lineage,
  lineageBreak,
  lineageMap,
  lineagePartition,
  parseLineage,
  parseTimelineHistory,
  type ServerIdentity,
  sameLineage,
  type TimelineSwitch,
} from './lineage.ts';
import type { Lsn } from './protocol/lsn.ts';
import type { SlotState } from './replication-slot.ts';
import type { ServerFacts } from './server.ts';

export interface LineageGuardOptions {
  readonly config: PostgresConfig;
  readonly context: SourceTaskContext;
  readonly sourcePartition: SourcePartition;
  readonly records: PrivateRecords;
}

export class LineageGuard {
  readonly #options: LineageGuardOptions;
  /** Where the lineage is stored. */
  readonly #partition: SourcePartition;
  #was: Lineage | undefined;
  #identity: ServerIdentity | undefined;
  #history: readonly TimelineSwitch[] = [];
  #release: (() => void) | undefined;
  #durable = false;
  #stored: Promise<void> = Promise.resolve();

  constructor(options: LineageGuardOptions) {
    this.#options = options;
    this.#partition = lineagePartition(options.sourcePartition);
  }

  /** Whether the lineage of the server that is read is stored, so that the slot may be moved. */
  get durable(): boolean {
    return this.#durable;
  }
  /** Resolves once what `settle` said is stored. */
  get stored(): Promise<void> {
    return this.#stored;
  }

  /** Reads what is stored and asks the server behind a replication session who it is. */
  async identify(session: pg.Client): Promise<void> {
    this.#was = parseLineage(await this.#options.context.offsets.offset(this.#partition));
    const identity = await identifyServer(session);
    this.#identity = identity;
    // The first timeline has no history; one that is the stored one needs none.
    const moved = this.#was !== undefined && this.#was.timeline !== identity.timeline;
    if (moved && identity.timeline > 1) this.#history = await timelineHistory(session, identity.timeline);
  }

  /** Why a stored position has no meaning on this server; undefined when it has. See `lineageBreak`. */
  breakOf(facts: ServerFacts, slot: SlotState | undefined, position: Lsn): string | undefined {
    return lineageBreak(this.#was, this.#lineage(facts, slot), this.#history, position);
  }

  /**
   * The slot is there and the run goes on from it. `offsetReplaced` says that an offset is stored which this run does
   * not go on from: the new lineage waits until another one is in its place, since the old offset beside the new
   * lineage would be believed after a crash.
   */
  settle(facts: ServerFacts, slot: SlotState, options: { readonly offsetReplaced: boolean }): void {
    const lineage = this.#lineage(facts, slot);
    this.#durable = sameLineage(this.#was, lineage);
    if (!this.#durable) this.#stored = this.#store(lineageMap(lineage), options.offsetReplaced);
  }

  async #store(lineage: OffsetMap, held: boolean): Promise<void> {
    if (held)
      await new Promise<void>((resolve) => {
        this.#release = resolve;
      });
    await this.#options.records.keep(this.#partition, lineage);
    this.#durable = true;
  }

  /** An offset of this run is stored. */
  offsetStored(): void {
    this.#release?.();
  }

  /** Opens a replication session. @throws postgres.connection_lost when another server answers than before */
  async openSession(): Promise<pg.Client> {
    const session = await openSession(this.#options.config.connection, 'replication');
    try {
      await this.verify(session);
      return session;
    } catch (error) {
      await session.end().catch(() => undefined);
      throw error;
    }
  }

  /** INV-3: behind an address that moves, each session may meet another server. @throws postgres.connection_lost */
  async verify(session: pg.Client): Promise<void> {
    const { systemId, timeline } = await identifyServer(session);
    if (systemId === this.#identity?.systemId && timeline === this.#identity.timeline) return;
    throw postgresError('postgres.connection_lost', 'Another server answers than the one that was looked at');
  }

  #lineage(facts: ServerFacts, slot: SlotState | undefined): Lineage {
    const identity = this.#identity;
    if (identity === undefined) throw new Error('the server was not identified');
    const { config } = this.#options;
    return {
      ...identity,
      database: config.connection.database,
      databaseOid: facts.databaseOid,
      slot: config.slot.name,
      slotRestart: slot?.restartLsn,
    };
  }
}

async function identifyServer(session: pg.Client): Promise<ServerIdentity> {
  const { rows } = await ask(
    () => session.query<{ systemid: string; timeline: number | string }>('IDENTIFY_SYSTEM'),
    'Cannot identify the server',
  );
  const row = rows[0];
  if (row === undefined) throw postgresError('postgres.protocol', 'The server did not say who it is');
  // A 64-bit column since Postgres 16, which the driver gives as text.
  return { systemId: row.systemid, timeline: Number(row.timeline) };
}

async function timelineHistory(session: pg.Client, timeline: number): Promise<TimelineSwitch[]> {
  const { rows } = await ask(
    () => session.query<{ content: unknown }>(`TIMELINE_HISTORY ${timeline}`),
    `Cannot read the history of timeline ${timeline}`,
  );
  return parseTimelineHistory(String(rows[0]?.content ?? ''));
}
