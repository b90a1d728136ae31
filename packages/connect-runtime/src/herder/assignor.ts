// Who runs what: incremental cooperative assignment as in Connect (KIP-415). Work stays where it is; work of a lost
// worker waits for its return; what is too much on one worker is revoked in one round and given away in the next.
import { CONNECTOR_ITSELF, itemKey, type WorkItem, WorkSet } from './work.ts';

export interface AssignorMember {
  readonly id: string;
  /** The name under which a worker is known again after a restart; the member id where it has none. */
  readonly worker: string;
  /** What it says it runs. */
  readonly owned: readonly WorkItem[];
}

/** What the leader remembers between rebalances; absent after it became leader. */
export interface AssignorView {
  /** Everything that was assigned, by `itemKey`, with the worker it was assigned to; lost work included. */
  readonly owners: ReadonlyMap<string, { readonly item: WorkItem; readonly worker: string }>;
  /** When work of lost workers is given away; null = none is waiting. */
  readonly deadlineMs: number | null;
  /** Rounds that took work away for the sake of balance, one after another: each but the first waits for longer. */
  readonly revocations: number;
  /** Until when nothing is taken away for balance. */
  readonly quietUntilMs: number | null;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** All connectors and tasks there are. */
  readonly configured: WorkSet;
  readonly view: AssignorView | null;
  readonly nowMs: number;
  readonly maxDelayMs: number;
}

export interface MemberWork {
  /** All that the member runs after this round. */
  readonly assigned: readonly WorkItem[];
  /** The part of `assigned` that it does not run yet. */
  readonly added: readonly WorkItem[];
  readonly revoked: readonly WorkItem[];
}

export interface AssignorResult {
  readonly byMember: ReadonlyMap<string, MemberWork>;
  /** Work of lost workers that waits for them and runs nowhere. */
  readonly waiting: readonly WorkItem[];
  /** Milliseconds until the group should meet again because of waiting work; 0 = no need. */
  readonly delayMs: number;
  readonly view: AssignorView;
}

interface Load {
  readonly id: string;
  readonly worker: string;
  /** What it runs already and keeps. */
  readonly kept: WorkItem[];
  readonly added: WorkItem[];
  readonly revoked: WorkItem[];
  /** Connectors and tasks in `kept` and `added`. */
  readonly counts: { connectors: number; tasks: number };
}

/** Computes the next assignment; pure. Nothing is given to a member while another one says that it runs it. */
export function assignWork(input: AssignorInput): AssignorResult {
  const { configured, view, nowMs, maxDelayMs } = input;
  const { loads, owned } = currentLoads(input);
  const free = new WorkSet();
  const lost: { item: WorkItem; worker: string }[] = [];
  for (const item of configured.values().sort(byKindThenName)) {
    if (owned.has(item)) continue;
    const before = view?.owners.get(itemKey(item));
    const owner = before && loads.find(({ worker }) => worker === before.worker);
    // A worker that came back takes up again what nobody else was given meanwhile.
    if (owner) add(owner, item);
    else if (before) lost.push(before);
    else free.add(item);
  }
  const deadlineMs = lost.length > 0 && maxDelayMs > 0 ? (view?.deadlineMs ?? nowMs + maxDelayMs) : null;
  const waits = deadlineMs !== null && deadlineMs > nowMs;
  if (!waits) for (const { item } of lost) free.add(item);
  const balanced = waits ? NOT_BALANCED : balance(loads, input);
  // Connectors first, so that both kinds spread evenly.
  for (const item of free.values().sort(byKindThenName)) add(leastLoaded(loads, kindOf(item)), item);
  const owners = new Map(waits ? lost.map((one) => [itemKey(one.item), one]) : []);
  for (const { worker, kept, added } of loads) {
    for (const item of [...kept, ...added]) owners.set(itemKey(item), { item, worker });
  }
  return {
    byMember: new Map(
      loads.map(({ id, kept, added, revoked }) => [id, { assigned: [...kept, ...added], added, revoked }]),
    ),
    waiting: waits ? lost.map(({ item }) => item) : [],
    // Whole milliseconds go over the wire: a part of one must not become none, or nobody asks again.
    delayMs: Math.max(0, Math.ceil(((waits ? deadlineMs : balanced.quietUntilMs) ?? nowMs) - nowMs)),
    view: { owners, deadlineMs: waits ? deadlineMs : null, ...balanced },
  };
}

/**
 * Work under the eager protocol, where nobody runs anything: dealt out one by one, connectors before tasks, as Connect
 * deals them.
 */
export function dealWork(
  members: readonly string[],
  configured: WorkSet,
): ReadonlyMap<string, readonly WorkItem[]> {
  const hands = [...members].sort().map((id) => [id, [] as WorkItem[]] as const);
  configured
    .values()
    .sort(byKindThenName)
    .forEach((item, i) => hands[i % hands.length]?.[1].push(item));
  return new Map(hands);
}

function currentLoads({ members, configured }: AssignorInput): { loads: Load[]; owned: WorkSet } {
  const owned = new WorkSet();
  const loads = [...members]
    .sort((a, b) => (a.worker < b.worker ? -1 : 1))
    .map(({ id, worker, owned: items }): Load => {
      const counts = { connectors: 0, tasks: 0 };
      const load: Load = { id, worker, kept: [], added: [], revoked: [], counts };
      for (const item of items) {
        // Deleted work and work that two workers run is given up.
        const keep = configured.has(item) && !owned.has(item);
        (keep ? load.kept : load.revoked).push(item);
        if (!keep) continue;
        owned.add(item);
        counts[kindOf(item)]++;
      }
      return load;
    });
  return { loads, owned };
}

function byKindThenName(a: WorkItem, b: WorkItem): number {
  if (kindOf(a) !== kindOf(b)) return kindOf(a) === 'connectors' ? -1 : 1;
  return a.connector === b.connector ? a.task - b.task : a.connector < b.connector ? -1 : 1;
}

type Kind = 'connectors' | 'tasks';

function kindOf(item: WorkItem): Kind {
  return item.task === CONNECTOR_ITSELF ? 'connectors' : 'tasks';
}

function add(load: Load, item: WorkItem): void {
  load.added.push(item);
  load.counts[kindOf(item)]++;
}

function leastLoaded(loads: readonly Load[], kind: Kind): Load {
  let best: Load | undefined;
  for (const load of loads) if (!best || load.counts[kind] < best.counts[kind]) best = load;
  if (!best) throw new Error('a group has at least one member');
  return best;
}

type Balanced = Pick<AssignorView, 'revocations' | 'quietUntilMs'>;
const NOT_BALANCED: Balanced = { revocations: 0, quietUntilMs: null };

/** Revokes what exceeds an even share. A group that does so round after round pauses in between, longer each time. */
function balance(loads: readonly Load[], { configured, view, nowMs, maxDelayMs }: AssignorInput): Balanced {
  const quietUntilMs = view?.quietUntilMs ?? null;
  const revocations = view?.revocations ?? 0;
  if (quietUntilMs !== null && quietUntilMs > nowMs) return { revocations, quietUntilMs };
  const all = configured.values();
  const excess = (['connectors', 'tasks'] as const).flatMap((kind) =>
    beyondShare(loads, kind, all.filter((item) => kindOf(item) === kind).length),
  );
  if (excess.length === 0) return NOT_BALANCED;
  if (revocations > 0 && quietUntilMs === null && maxDelayMs > 0) {
    // Connect's pause: 40 ms, 1.6 s, 64 s and so on, as far as work may wait at all.
    return { revocations, quietUntilMs: nowMs + Math.min(40 ** revocations, maxDelayMs) };
  }
  for (const { load, item } of excess) {
    load.kept.splice(load.kept.indexOf(item), 1);
    load.revoked.push(item);
    load.counts[kindOf(item)]--;
  }
  return { revocations: revocations + 1, quietUntilMs: null };
}

/** What workers run of one kind beyond their part of `total`, where some parts are greater by one. */
function beyondShare(
  loads: readonly Load[],
  kind: Kind,
  total: number,
): { readonly load: Load; readonly item: WorkItem }[] {
  const share = Math.floor(total / loads.length);
  let greater = total % loads.length;
  return loads.flatMap((load) => {
    const count = load.counts[kind];
    if (count <= share) return [];
    const allowed = greater > 0 ? share + 1 : share;
    if (greater > 0) greater--;
    const excess = count - allowed;
    if (excess <= 0) return [];
    const movable = load.kept.filter((item) => kindOf(item) === kind);
    return movable.slice(-excess).map((item) => ({ load, item }));
  });
}
