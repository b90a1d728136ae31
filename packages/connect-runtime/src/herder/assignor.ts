// Who runs what: incremental cooperative assignment as in Connect (KIP-415). Work stays where it is; work of a lost
// worker waits for its return; what is too much on one worker is revoked in one round and given away in the next.
import { CONNECTOR_ITSELF, itemKey, type WorkItem, WorkSet } from './work.ts';

export interface AssignorMember {
  readonly id: string;
  /** What it says it runs. */
  readonly owned: readonly WorkItem[];
}

/** What the leader remembers between rebalances; absent after it became leader. */
export interface AssignorView {
  /** Everything that was assigned to anybody. */
  readonly assigned: WorkSet;
  /** When work of lost workers is given away; null = none is waiting. */
  readonly deadlineMs: number | null;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** All connectors and tasks there are. */
  readonly configured: WorkSet;
  readonly view: AssignorView | null;
  readonly nowMs: number;
  readonly maxDelayMs: number;
}

export interface AssignorResult {
  readonly byMember: ReadonlyMap<
    string,
    { readonly assigned: readonly WorkItem[]; readonly revoked: readonly WorkItem[] }
  >;
  /** Milliseconds until the group should meet again because of waiting work; 0 = no need. */
  readonly delayMs: number;
  readonly view: AssignorView;
}

interface Load {
  readonly id: string;
  readonly kept: WorkItem[];
  readonly revoked: WorkItem[];
}

/** Computes the next assignment; pure. */
export function assignWork(input: AssignorInput): AssignorResult {
  const { configured, view, nowMs, maxDelayMs } = input;
  const owners = new Set<string>();
  const loads = [...input.members]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((member): Load => {
      const load: Load = { id: member.id, kept: [], revoked: [] };
      for (const item of member.owned) {
        // Deleted work and work that two workers run is given up.
        const keep = configured.has(item) && !owners.has(itemKey(item));
        (keep ? load.kept : load.revoked).push(item);
        if (keep) owners.add(itemKey(item));
      }
      return load;
    });
  const free = configured.filter((item) => !owners.has(itemKey(item)));
  // Without a previous view nothing can be known as lost, so nothing waits.
  const lost = free.filter((item) => view?.assigned.has(item) === true);
  let deadlineMs = lost.size > 0 && maxDelayMs > 0 ? (view?.deadlineMs ?? nowMs + maxDelayMs) : null;
  if (deadlineMs !== null && deadlineMs <= nowMs) deadlineMs = null;
  const waiting = deadlineMs !== null;
  if (!waiting) balance(loads);
  const toAssign = free.filter((item) => !waiting || !lost.has(item)).values();
  // Connectors first, so that both kinds spread evenly.
  for (const item of toAssign.sort(byKindThenName)) leastLoaded(loads, item).kept.push(item);
  const assigned = new WorkSet([...loads.flatMap((load) => load.kept), ...(waiting ? lost.values() : [])]);
  return {
    byMember: new Map(loads.map(({ id, kept, revoked }) => [id, { assigned: kept, revoked }])),
    delayMs: deadlineMs === null ? 0 : deadlineMs - nowMs,
    view: { assigned, deadlineMs },
  };
}

function byKindThenName(a: WorkItem, b: WorkItem): number {
  const kind = Number(isTask(a)) - Number(isTask(b));
  if (kind !== 0) return kind;
  return a.connector === b.connector ? a.task - b.task : a.connector < b.connector ? -1 : 1;
}

function isTask(item: WorkItem): boolean {
  return item.task !== CONNECTOR_ITSELF;
}

function countLike(load: Load, item: WorkItem): number {
  return load.kept.reduce((count, kept) => count + Number(isTask(kept) === isTask(item)), 0);
}

function leastLoaded(loads: readonly Load[], item: WorkItem): Load {
  let best: Load | undefined;
  for (const load of loads) {
    if (!best || countLike(load, item) < countLike(best, item)) best = load;
  }
  if (!best) throw new Error('a group has at least one member');
  return best;
}

/** Revokes what exceeds an even share, connectors and tasks apart. */
function balance(loads: readonly Load[]): void {
  for (const tasks of [false, true]) {
    const of = (load: Load): WorkItem[] => load.kept.filter((item) => isTask(item) === tasks);
    const total = loads.reduce((sum, load) => sum + of(load).length, 0);
    const share = Math.ceil(total / loads.length);
    if (loads.every((load) => of(load).length >= Math.floor(total / loads.length))) continue;
    for (const load of loads) {
      for (const item of of(load).slice(share)) {
        load.kept.splice(load.kept.indexOf(item), 1);
        load.revoked.push(item);
      }
    }
  }
}
