// What a run does first, decided from what is stored and what the server has: read the tables, go on from the stored
// position, or refuse to, because the changes after it are no longer there.
import type { Logger } from '@millrace/foundation';
import type { PostgresConfig } from './config.ts';
import { DEBEZIUM_EXCEPTION, postgresError } from './errors.ts';
import { isBeginning, type StoredOffset } from './offset.ts';
import { formatLsn, type Lsn } from './protocol/lsn.ts';
import type { PositionCheck, SlotState } from './replication-slot.ts';

export interface Plan {
  readonly snapshot: boolean;
  /** Where streaming starts when there is no snapshot. */
  readonly resume: StoredOffset | undefined;
  /** The slot to go on with; absent = one is made. */
  readonly slot: SlotState | undefined;
  /** The offset of a snapshot that was interrupted and can be gone on with. */
  readonly interrupted?: StoredOffset | undefined;
  /** Why the server has given up the slot that is there: it is dropped before another is made. */
  readonly givenUp?: string;
}

export interface PlanInput {
  readonly config: PostgresConfig;
  readonly logger: Logger;
  readonly stored: StoredOffset | undefined;
  readonly slot: SlotState | undefined;
  /** Where the server's WAL ends. */
  readonly walEnd: Lsn;
  /** See `lineageBreak`. */
  readonly lineage: (stored: StoredOffset) => string | undefined;
  /** See `checkPosition`. */
  readonly position: (stored: StoredOffset) => PositionCheck;
}

/** Whether the stored offset is one to go on from: there is one, and it is not of an unfinished snapshot. */
export function isFinished(stored: StoredOffset | undefined): stored is StoredOffset {
  return stored !== undefined && stored.snapshot?.complete !== false;
}

/** @throws postgres.lineage_changed, postgres.slot_lost, postgres.slot_ahead, postgres.snapshot_unfinished */
export function makePlan(input: PlanInput): Plan {
  const plan = decide(input);
  // A slot that the server has given up serves nobody: where nothing is resumed, a new one takes its place.
  const givenUp = input.slot?.givenUp;
  if (givenUp === undefined || plan.resume !== undefined || !input.config.snapshot.stream) return plan;
  return { ...plan, slot: undefined, givenUp };
}

function decide(input: PlanInput): Plan {
  const { config, stored, slot } = input;
  const { readData, readsAlways, mayAbandon } = config.snapshot;
  // As Debezium, which has stored nothing by then: a config that asks for the tables now gets them.
  if (stored === undefined || (readData && isBeginning(stored)))
    return { snapshot: readData, resume: undefined, slot };
  if (!isFinished(stored)) {
    if (!readData && !mayAbandon) throw snapshotUnfinished();
    const interrupted = isResumable(input) ? stored : undefined;
    return { snapshot: readData, resume: undefined, slot, interrupted };
  }
  const instead = withoutPosition(input, stored);
  if (instead !== undefined) return instead;
  return readsAlways
    ? { snapshot: true, resume: undefined, slot }
    : { snapshot: false, resume: stored, slot };
}

/** What is done where the stored position is gone; undefined where it is there. */
function withoutPosition(input: PlanInput, stored: StoredOffset): Plan | undefined {
  const { config, logger, slot, lineage, position } = input;
  const { readData, readsAlways, readsWhenLost, stream } = config.snapshot;
  if (!config.checkPosition || !stream) return undefined;
  const broken = lineage(stored);
  const state = broken === undefined ? position(stored) : undefined;
  if (state === 'available') return undefined;
  if (readsWhenLost) {
    const reason = broken ?? state;
    logger.warn({ slot: config.slot.name, reason }, 'the stored position is gone; the tables are read again');
    return { snapshot: readData, resume: undefined, slot };
  }
  // What is read again anyway is not missing.
  if (readsAlways && (broken !== undefined || state === 'ahead')) return undefined;
  // INV-3: on another line of WAL the position may exist and name other changes.
  if (broken !== undefined) throw lineageChanged(config, stored, broken);
  throw state === 'ahead' ? slotAhead(config, stored) : positionLost(input, stored);
}

function snapshotUnfinished(): Error {
  return postgresError(
    'postgres.snapshot_unfinished',
    'The connector previously stopped while taking a snapshot, but now the connector is configured to never allow snapshots. Reconfigure the connector to use snapshots initially or when needed.',
    { configKey: 'snapshot.mode', javaClass: DEBEZIUM_EXCEPTION },
  );
}

/**
 * A snapshot that was interrupted is gone on with while the slot still holds everything since its beginning: also where
 * nothing was read to the end, since rows that were delivered may have been deleted meanwhile, which only the stream tells.
 */
function isResumable({ config, logger, stored, lineage, position }: PlanInput): boolean {
  const { readData, stream } = config.snapshot;
  if (!readData || !stream || stored?.snapshot?.complete !== false) return false;
  const gone = lineage(stored) ?? position(stored);
  if (gone === 'available') return true;
  logger.warn({ slot: config.slot.name, reason: gone }, 'the snapshot that was interrupted starts again');
  return false;
}

function lineageChanged(config: PostgresConfig, stored: StoredOffset, why: string): Error {
  const at = formatLsn(stored.lsn);
  const { host, port } = config.connection;
  return postgresError(
    'postgres.lineage_changed',
    `The stored position LSN{${at}} has no meaning on ${host}:${port}: ${why}.`,
    { javaClass: DEBEZIUM_EXCEPTION, context: { slot: config.slot.name, lsn: at } },
  );
}

const READ_AGAIN =
  'Set snapshot.mode=when_needed to read the tables again, or reset the offsets; the connector replaces the slot.';

function slotAhead({ slot: { name } }: PostgresConfig, stored: StoredOffset): Error {
  const at = formatLsn(stored.lsn);
  return postgresError(
    'postgres.slot_ahead',
    `The slot ${name} was moved past the stored position LSN{${at}} by somebody else, so changes may be missing. Reconfigure the connector to use a snapshot mode when needed.`,
    { javaClass: DEBEZIUM_EXCEPTION, context: { slot: name, lsn: at } },
  );
}

function positionLost({ config, slot, walEnd }: PlanInput, stored: StoredOffset): Error {
  const at = formatLsn(stored.lsn);
  const { name } = config.slot;
  const { givenUp } = slot ?? {};
  return postgresError(
    'postgres.slot_lost',
    `The connector is trying to read change stream starting at LSN{${at}}, but this is no longer available on the server. Reconfigure the connector to use a snapshot mode when needed.`,
    {
      javaClass: DEBEZIUM_EXCEPTION,
      context: { slot: name, lsn: at, ...(givenUp === undefined ? {} : { reason: givenUp }) },
      hint: `${whatThereIs(name, slot, walEnd)} ${READ_AGAIN}`,
    },
  );
}

function whatThereIs(name: string, slot: SlotState | undefined, walEnd: Lsn): string {
  if (slot === undefined) return `There is no slot ${name}.`;
  if (slot.givenUp !== undefined) return `The server gave the slot up (${slot.givenUp}).`;
  const [from, confirmed] = [slot.restartLsn, slot.confirmedFlushLsn].map((lsn) =>
    lsn === undefined ? 'nowhere' : `LSN{${formatLsn(lsn)}}`,
  );
  return `The slot ${name} keeps changes from ${from} on and was told that those before ${confirmed} are stored; the WAL ends at LSN{${formatLsn(walEnd)}}.`;
}
