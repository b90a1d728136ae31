// This worker in its group: what it says about itself, what it computes as leader, what it is given.
import { type Clock, type Logger, type MillraceError, messageOf } from '@millrace/foundation';
import { type Cluster, type GroupAssignment, GroupMember, type GroupStats } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { Lease } from '../lease.ts';
import type { RebalanceMeter } from '../metrics/worker-meters.ts';
import {
  CONFIG_MISMATCH,
  CONNECT_PROTOCOLS,
  decodeAssignment,
  decodeMetadata,
  EAGER,
  encodeAssignment,
  encodeMetadata,
  type WorkerAssignment,
} from './assignment-codec.ts';
import { type AssignorView, assignWork, dealWork, type MemberWork } from './assignor.ts';
import { itemKey, type WorkItem, WorkSet } from './work.ts';

/** The highest protocol that a worker speaks: `sessioned` workers sign what they ask of each other. */
export type WorkerProtocol = (typeof CONNECT_PROTOCOLS)[number]['config'];

type LeadRequest = Parameters<ConstructorParameters<typeof GroupMember>[0]['lead']>[0];

/** What a worker is told by its group, whoever makes it up. */
export type GroupPlace = Pick<Membership, keyof Membership>;

export interface MembershipOptions {
  readonly cluster: Cluster;
  readonly groupId: string;
  /** Stable over restarts: the worker takes its place back without a rebalance. */
  readonly instanceId: string;
  readonly url: string;
  /** Which protocol to speak where the group allows. */
  readonly protocol: WorkerProtocol;
  /** Prolonged by every answer of the group. */
  readonly lease: Lease;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly maxDelayMs: number;
  /** How long this worker may take to read the config topic as far as its group knows it. */
  readonly syncTimeoutMs: number;
  /** How long it leaves the group at most where it takes longer. */
  readonly unsyncBackoffMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when a rebalance begins here, and when what it moved away has ended. */
  readonly rebalances: Pick<RebalanceMeter, 'begin' | 'end'>;
  /** Offset in the config topic up to which this worker knows it. */
  readonly configOffset: () => number;
  /** Reads of the config topic what other workers may know. */
  readonly refreshConfig: () => Promise<void>;
  /** All connectors and tasks there are. */
  readonly configured: () => WorkSet;
  /** What this worker runs, also what is ending. */
  readonly owned: () => readonly WorkItem[];
  /** All that this worker runs from now on; what it has no longer has to be given up before it resolves. */
  readonly onAssigned: (work: readonly WorkItem[]) => Promise<void>;
  /** Whether this worker leads the generation that begins; then `waiting` is the work of lost workers that nobody runs meanwhile. */
  readonly onLeading: (leads: boolean, waiting: readonly WorkItem[]) => void;
  /** All that this worker runs has to end before others may be given it; resolves when it has, however long that takes. */
  readonly giveUp: () => Promise<void>;
  /** The group may give this worker's work to others now: all of it has to end. */
  readonly onLost: () => Promise<void>;
  readonly onFatal: (error: MillraceError) => void;
}

/** What a leader knows of one generation. */
interface Led {
  readonly generation: number;
  /** null = it was eager, where nothing stays anywhere. */
  readonly view: AssignorView | null;
  readonly waiting: readonly WorkItem[];
  /** `HOST:PORT` of the members. */
  readonly workers: ReadonlySet<string>;
  /** By `itemKey`: where the worker that runs it is reached. */
  readonly urls: ReadonlyMap<string, string>;
}

const CONFIG_WAIT_MS = 500;
/** So often in a row a worker that cannot catch up is out of the group only for a moment, as in Connect. */
const SHORT_BREAKS = 5;
const PLACE_WAIT_MS = 30_000;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #member: GroupMember;
  readonly #stop = new AbortController();
  /** What was computed last, until it is known that the group got it. */
  #computed: Led | null = null;
  /** Null when this worker does not lead, or has not assigned yet. */
  #led: Led | null = null;
  #leaderUrl = '';
  #protocol: string = '';
  /** Whether this worker knows its place in the group: who leads, and that it is a member. */
  #placed = false;
  #assigned = false;
  #cancelDelay: AbortController | null = null;
  #placeWaiters: (() => void)[] = [];
  /** By the addresses of workers that something is asked of. */
  readonly #gone = new Map<string, AbortController>();
  #shortBreaksLeft: number = SHORT_BREAKS;

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { lease, sessionTimeoutMs } = options;
    this.#member = new GroupMember({
      cluster: options.cluster,
      logger: options.logger,
      clock: options.clock,
      groupId: options.groupId,
      protocolType: 'connect',
      groupInstanceId: options.instanceId,
      sessionTimeoutMs,
      // A rebalance that ends without a static member counts on what it said of itself long ago (INV-2).
      rebalanceTimeoutMs: Math.max(options.rebalanceTimeoutMs, 2 * sessionTimeoutMs),
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      protocols: () => {
        options.rebalances.begin();
        return CONNECT_PROTOCOLS.slice(
          CONNECT_PROTOCOLS.findIndex(({ config }) => config === options.protocol),
        ).map(({ name, version }) => ({
          name,
          metadata: encodeMetadata(
            { url: options.url, configOffset: options.configOffset(), allocation: options.owned() },
            version,
          ),
        }));
      },
      // INV-2: under the eager protocol whoever joins runs nothing.
      beforeRejoin: async () => {
        if (this.#protocol === EAGER) await options.giveUp();
      },
      lead: (request) => this.#lead(request),
      onAssigned: (assignment) => this.#onAssigned(assignment),
      onContact: () => lease.mark(sessionTimeoutMs),
      onLost: async () => {
        lease.end();
        this.#led = null;
        this.#placed = false;
        this.#assigned = false;
        this.#tellGone();
        await options.onLost();
      },
      onFatal: (error) => options.onFatal(error),
    });
  }

  get generation(): number {
    return this.#member.generation;
  }
  /** Whether the group counts on this worker as its leader. */
  get isLeader(): boolean {
    return this.#member.isLeader && this.#placed && this.#options.lease.valid;
  }
  /** Where the leader is reached; empty while that is not known. */
  get leaderUrl(): string {
    return this.#settled ? this.#leaderUrl : '';
  }
  /** What the group speaks: `sessioned`, `compatible` or `eager`; empty before the first assignment. */
  get protocol(): string {
    return this.#protocol === EAGER ? 'eager' : this.#protocol;
  }
  /** What the member has been through. */
  get stats(): GroupStats {
    return this.#member.stats;
  }
  /** Whether workers sign what they ask of each other. */
  get signed(): boolean {
    return this.#protocol !== 'compatible' && this.#protocol !== EAGER;
  }
  /** Whether the worker has its share of the group's work; a rebalance takes nothing away until it ends, or the session. */
  get ready(): boolean {
    return this.#assigned && this.#member.state !== 'stopped' && this.#options.lease.valid;
  }
  /** What keeps it from joining, where that is known. */
  get problem(): string | undefined {
    const { problem } = this.#member;
    if (problem !== undefined) return messageOf(problem);
    return this.#assigned ? 'its coordinator has not answered for a session' : undefined;
  }
  get #settled(): boolean {
    return this.#placed && this.#member.state === 'stable';
  }

  /** Where the worker that runs something is reached, as far as this worker knows as leader. */
  ownerUrl(item: WorkItem): string | undefined {
    return this.isLeader && this.#settled ? this.#led?.urls.get(itemKey(item)) : undefined;
  }

  /** Whether a worker, by the id that states show, is in the group, as far as this worker knows as leader. */
  hasWorker(workerId: string): boolean {
    return this.#led?.workers.has(workerId) === true;
  }

  /**
   * Fires when the group goes on without the worker at `url`, as far as this one is told: it leads no more or, where this
   * one leads, is no member. Also when this one is none. What it was asked may never be answered then.
   */
  gone(url: string): AbortSignal {
    const gone = this.#gone.get(url) ?? new AbortController();
    this.#gone.set(url, gone);
    this.#tellGone();
    return gone.signal;
  }

  #tellGone(): void {
    for (const [url, gone] of this.#gone) {
      if (this.#placed && this.#countsOn(url)) continue;
      this.#gone.delete(url);
      gone.abort();
    }
  }

  #countsOn(url: string): boolean {
    if (!this.#member.isLeader) return url === this.#leaderUrl;
    return this.#led === null || this.hasWorker(hostOf(url));
  }

  /** Resolves when no rebalance is under way, or has been for too long: then nobody is known to lead. */
  async settled(): Promise<void> {
    if (this.#settled || this.#stop.signal.aborted) return;
    const { clock } = this.#options;
    const done = new AbortController();
    this.#placeWaiters.push(() => done.abort());
    await clock.sleep(PLACE_WAIT_MS, AbortSignal.any([done.signal, this.#stop.signal]));
  }

  start(): void {
    this.#member.start();
  }

  /** Asks for a new assignment. */
  rejoin(): void {
    this.#member.rejoin();
  }

  /** Leaves; the place is kept for the session time, so that a restart finds it. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelDelay?.abort();
    await this.#member.leave();
  }

  async #lead(request: LeadRequest): Promise<ReadonlyMap<string, Buffer>> {
    const { clock, maxDelayMs, configOffset, configured, url } = this.#options;
    const members = request.members.map(({ memberId, groupInstanceId, metadata }) => ({
      id: memberId,
      instanceId: groupInstanceId,
      ...decodeMetadata(metadata),
    }));
    const newest = Math.max(...members.map((member) => member.configOffset));
    if (!(await this.#catchUp(newest))) throw this.#behind(newest);
    const version = CONNECT_PROTOCOLS.find(({ name }) => name === request.protocol)?.version ?? 1;
    const offset = configOffset();
    const { byMember, waiting, delayMs, view } =
      request.protocol === EAGER
        ? this.#deal(members)
        : assignWork({
            members: members.map(({ id, instanceId, allocation }) => ({
              id,
              worker: instanceId ?? id,
              owned: allocation,
            })),
            configured: configured(),
            view: this.#led?.view ?? null,
            nowMs: clock.monotonicMs(),
            maxDelayMs,
          });
    const urls = new Map<string, string>();
    for (const member of members) {
      for (const item of byMember.get(member.id)?.assigned ?? []) urls.set(itemKey(item), member.url);
    }
    const workers = new Set(members.map((member) => hostOf(member.url)));
    this.#computed = { generation: request.generation, view, waiting, workers, urls };
    const shared = { error: 0, leader: request.memberId, leaderUrl: url, configOffset: offset, delayMs };
    return new Map(
      members.map(({ id, instanceId }) => {
        const { assigned = [], added = [], revoked = [] } = byMember.get(id) ?? {};
        // A worker that restarts finds its last assignment at the broker, so it has to be whole. Connect's own workers
        // have no such place, and expect what is new.
        const whole = instanceId !== null && version > 0;
        return [
          id,
          encodeAssignment({ ...shared, assigned: whole ? assigned : added, revoked, whole }, version),
        ];
      }),
    );
  }

  /**
   * Work under the eager protocol. A group that comes to it from another one runs things of which nobody tells here, so
   * its first round gives nothing away (INV-2); the next one finds that all has ended.
   */
  #deal(members: readonly { readonly id: string }[]): {
    readonly byMember: ReadonlyMap<string, MemberWork>;
    readonly waiting: readonly WorkItem[];
    readonly delayMs: number;
    readonly view: null;
  } {
    const ids = members.map(({ id }) => id);
    const isFirst = this.#led === null || this.#led.view !== null;
    const hands = dealWork(ids, isFirst ? new WorkSet() : this.#options.configured());
    const byMember = new Map(
      ids.map((id): [string, MemberWork] => {
        const assigned = hands.get(id) ?? [];
        return [id, { assigned, added: assigned, revoked: [] }];
      }),
    );
    return { byMember, waiting: [], delayMs: 0, view: null };
  }

  async #onAssigned({ assignment: bytes, isLeader, generation, protocol }: GroupAssignment): Promise<void> {
    const { configured, clock, logger } = this.#options;
    this.#cancelDelay?.abort();
    const computed = this.#computed?.generation === generation ? this.#computed : null;
    const wasLed = this.#led;
    const wasProtocol = this.#protocol;
    this.#computed = null;
    if (!isLeader) this.#led = null;
    else if (computed) this.#led = computed;
    if (bytes.length === 0) {
      // The broker kept no assignment for this returning member.
      this.#member.rejoin();
      return;
    }
    const assignment = decodeAssignment(bytes);
    if (assignment.error === CONFIG_MISMATCH) {
      logger.warn('the leader knows less of the config topic than this worker; joining again');
      await clock.sleep(CONFIG_WAIT_MS, this.#stop.signal);
      this.#member.rejoin();
      return;
    }
    if (!(await this.#catchUp(assignment.configOffset))) return;
    this.#leaderUrl = assignment.leaderUrl;
    this.#protocol = protocol;
    this.#placed = true;
    for (const wake of this.#placeWaiters.splice(0)) wake();
    this.#tellGone();
    const isEager = protocol === EAGER;
    // What was added is not all where the addition is an older one that the broker kept.
    const incomplete = !assignment.whole && !this.#assigned && !isEager;
    this.#options.onLeading(isLeader && this.#led !== null, this.#led?.waiting ?? []);
    if (isEager && wasProtocol !== EAGER) await this.#options.giveUp();
    await this.#options.onAssigned(isEager ? assignment.assigned : this.#workOf(assignment));
    this.#assigned = true;
    this.#options.rebalances.end();
    if (isEager && isLeader && wasLed?.view !== null) {
      // The round that gave nothing away.
      this.#member.rejoin();
      return;
    }
    const all = configured();
    const isFree = assignment.revoked.some((item) => all.has(item));
    // A leader that took its place back was given an old assignment and has computed none; revoked work is free now.
    if (incomplete || isFree || (isLeader && this.#led === null)) this.#member.rejoin();
    if (assignment.delayMs > 0) this.#rejoinAfter(assignment.delayMs);
  }

  /**
   * Waits until this worker knows the config topic up to an offset. False when that takes too long: whoever cannot read
   * it is of no use to the group, which then goes on without this worker for a time.
   */
  async #catchUp(offset: number): Promise<boolean> {
    const { configOffset, refreshConfig, clock, syncTimeoutMs } = this.#options;
    if (offset > configOffset()) {
      const done = new AbortController();
      const signal = AbortSignal.any([done.signal, this.#stop.signal]);
      const late = clock.sleep(syncTimeoutMs, signal).then(() => 'late' as const);
      try {
        const outcome = await Promise.race([refreshConfig(), late]);
        if (this.#stop.signal.aborted) return false;
        if (outcome === 'late') return this.#stepOut(offset);
      } finally {
        done.abort();
      }
    }
    this.#shortBreaksLeft = SHORT_BREAKS;
    return true;
  }

  #stepOut(offset: number): false {
    const { unsyncBackoffMs, maxDelayMs, logger } = this.#options;
    const isShort = this.#protocol !== EAGER && this.#shortBreaksLeft > 0;
    const pauseMs = isShort ? Math.round(maxDelayMs / 10 / this.#shortBreaksLeft) : unsyncBackoffMs;
    this.#shortBreaksLeft = isShort ? this.#shortBreaksLeft - 1 : SHORT_BREAKS;
    const error = this.#behind(offset);
    logger.warn({ err: error, pauseMs }, 'this worker leaves its group for a time');
    this.#member.stepOut(error, pauseMs);
    return false;
  }

  #behind(offset: number): MillraceError {
    const { configOffset, syncTimeoutMs } = this.#options;
    return connectError(
      'connect.config_behind',
      `The config topic is read up to offset ${configOffset()} and not up to ${offset}, as the group knows it, within worker.sync.timeout.ms = ${syncTimeoutMs}`,
    );
  }

  #workOf({ whole, assigned, revoked }: WorkerAssignment): readonly WorkItem[] {
    if (whole) return assigned;
    const taken = new WorkSet(revoked);
    return new WorkSet([...this.#options.owned().filter((item) => !taken.has(item)), ...assigned]).values();
  }

  #rejoinAfter(delayMs: number): void {
    const cancel = new AbortController();
    this.#cancelDelay = cancel;
    void this.#options.clock.sleep(delayMs, cancel.signal).then(() => {
      if (!cancel.signal.aborted) this.#member.rejoin();
    });
  }
}

/** `HOST:PORT` of a worker's address, as its states name it. */
function hostOf(url: string): string {
  return url.replace(/^[a-z]+:\/\//i, '').replace(/\/.*$/, '');
}
