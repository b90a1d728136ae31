// Which server, which history of it and which slot a stored position belongs to. A position is a number that means
// something on one line of WAL only: on another server, or past the point where a new primary took over, the same
// number names other changes, and going on from it would jump over some in silence. What is known of the line is kept
// in a record of its own beside Debezium's offset map, which stays as Debezium writes it.
import {
  type JsonValue,
  type OffsetMap,
  privatePartition,
  type SourcePartition,
} from '@millrace/connect-api';
import { formatLsn, type Lsn, parseLsn } from './protocol/lsn.ts';

/** The line of WAL that a server writes. */
export interface ServerIdentity {
  /** Given by initdb; a physical standby has its primary's. Digits of an unsigned 64-bit number. */
  readonly systemId: string;
  /** Each promotion starts a new one. */
  readonly timeline: number;
}

/** What a stored position belongs to. */
export interface Lineage extends ServerIdentity {
  readonly database: string;
  /** Stays when a database is renamed, and differs when one is made anew under its name. */
  readonly databaseOid: number;
  readonly slot: string;
  /**
   * `restart_lsn` of the slot when it was last looked at. The server writes it to its disk before it counts, so that
   * it never goes back, while `confirmed_flush_lsn` may after a crash.
   */
  readonly slotRestart: Lsn | undefined;
}

const LINEAGE = 'lineage';

/** The source partition under which the lineage of a connector is stored. */
export function lineagePartition(partition: SourcePartition): SourcePartition {
  return privatePartition(partition, LINEAGE);
}

export function lineageMap(lineage: Lineage): OffsetMap {
  return {
    system_id: lineage.systemId,
    timeline: lineage.timeline,
    database: lineage.database,
    database_oid: lineage.databaseOid,
    slot: lineage.slot,
    ...(lineage.slotRestart === undefined ? {} : { slot_restart_lsn: formatLsn(lineage.slotRestart) }),
  };
}

/** Reads a stored lineage; undefined when there is none that can be read. */
export function parseLineage(map: OffsetMap | null): Lineage | undefined {
  if (map === null) return undefined;
  const systemId = text(map['system_id']);
  const database = text(map['database']);
  const slot = text(map['slot']);
  const timeline = map['timeline'];
  const databaseOid = map['database_oid'];
  if (systemId === undefined || database === undefined || slot === undefined) return undefined;
  if (typeof timeline !== 'number' || typeof databaseOid !== 'number') return undefined;
  const restart = text(map['slot_restart_lsn']);
  const slotRestart = restart === undefined ? undefined : parseLsn(restart);
  return { systemId, timeline, database, databaseOid, slot, slotRestart };
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Whether both say the same, so that nothing has to be stored. */
export function sameLineage(a: Lineage | undefined, b: Lineage): boolean {
  return a !== undefined && JSON.stringify(lineageMap(a)) === JSON.stringify(lineageMap(b));
}

/** Where a timeline was left for the next one. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly at: Lsn;
}

/** Reads a timeline history file: `parent TAB switch-point TAB reason` a line, oldest first. */
export function parseTimelineHistory(content: string): TimelineSwitch[] {
  return content.split('\n').flatMap((line) => {
    const [, timeline, position] = /^\s*(\d{1,10})\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line) ?? [];
    const at = position === undefined ? undefined : parseLsn(position);
    return timeline === undefined || at === undefined ? [] : [{ timeline: Number(timeline), at }];
  });
}

/**
 * Why a position stored under `was` has no meaning on the server that is there `now`; undefined when it has.
 * `history` is that of the server's timeline, `position` the furthest one that may be stored.
 */
export function lineageBreak(
  was: Lineage | undefined,
  now: Lineage,
  history: readonly TimelineSwitch[],
  position: Lsn,
): string | undefined {
  // A folder from before lineages were stored.
  if (was === undefined) return undefined;
  if (was.systemId !== now.systemId) {
    return `it was read from the server with system identifier ${was.systemId}, and this is ${now.systemId}`;
  }
  if (was.databaseOid !== now.databaseOid) {
    return `it was read from database ${was.database} (oid ${was.databaseOid}), and this is ${now.database} (oid ${now.databaseOid})`;
  }
  if (was.timeline !== now.timeline) {
    const left = history.find(({ timeline }) => timeline === was.timeline);
    if (left === undefined) {
      return `it was read on timeline ${was.timeline}, from which the server's timeline ${now.timeline} does not come`;
    }
    if (position > left.at) {
      return `timeline ${now.timeline} of the server left timeline ${was.timeline} at ${formatLsn(left.at)}: changes read after that are none of this server`;
    }
    // A slot that was carried over to the new primary may stand where it stood at some earlier time.
    return undefined;
  }
  const { slotRestart } = was;
  if (was.slot === now.slot && slotRestart !== undefined && now.slotRestart !== undefined) {
    // A slot that stands further back than it ever did since is another one, or the server's disk is an older one.
    if (now.slotRestart < slotRestart) {
      return `the slot ${now.slot} stands at ${formatLsn(now.slotRestart)} and stood at ${formatLsn(slotRestart)} before, where a slot never goes back: it was made anew, or the server was restored`;
    }
  }
  return undefined;
}
