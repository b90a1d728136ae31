// This worker in its group: what it says about itself, what it computes as leader, what it is given.
import type { Clock, Logger, MillraceError } from '@millrace/foundation';
import { type Cluster, GroupMember } from '@millrace/kafka-client';
import {
  CONFIG_MISMATCH,
  CONNECT_PROTOCOLS,
  decodeAssignment,
  decodeMetadata,
  encodeAssignment,
  encodeMetadata,
  type WorkerAssignment,
} from './assignment-codec.ts';
import { type AssignorView, assignWork } from './assignor.ts';
import type { WorkItem, WorkSet } from './work.ts';

type LeadRequest = Parameters<ConstructorParameters<typeof GroupMember>[0]['lead']>[0];

export interface MembershipOptions {
  readonly cluster: Cluster;
  readonly groupId: string;
  /** Stable over restarts: the worker takes its place back without a rebalance. */
  readonly instanceId: string;
  readonly url: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly maxDelayMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Offset in the config topic up to which this worker knows it. */
  readonly configOffset: () => number;
  /** Reads the config topic to its end. */
  readonly refreshConfig: () => Promise<void>;
  /** All connectors and tasks there are. */
  readonly configured: () => WorkSet;
  /** What this worker runs. */
  readonly owned: () => readonly WorkItem[];
  /** A new assignment; what was revoked has to be given up before it resolves. */
  readonly onAssigned: (assignment: WorkerAssignment) => Promise<void>;
  /** The group may give this worker's work to others now: all of it has to end. */
  readonly onLost: () => Promise<void>;
  readonly onFatal: (error: MillraceError) => void;
}

const CONFIG_WAIT_MS = 500;

export class Membership {
  readonly #options: MembershipOptions;
  readonly #member: GroupMember;
  readonly #stop = new AbortController();
  /** What this worker knows as leader; null when it is not, or has not assigned yet. */
  #view: AssignorView | null = null;
  #leaderUrl = '';
  #assigned = false;
  #cancelDelay: AbortController | null = null;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#member = new GroupMember({
      cluster: options.cluster,
      logger: options.logger,
      clock: options.clock,
      groupId: options.groupId,
      protocolType: 'connect',
      groupInstanceId: options.instanceId,
      sessionTimeoutMs: options.sessionTimeoutMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      protocols: () =>
        CONNECT_PROTOCOLS.map(({ name, version }) => ({
          name,
          metadata: encodeMetadata(
            { url: options.url, configOffset: options.configOffset(), allocation: options.owned() },
            version,
          ),
        })),
      lead: (request) => this.#lead(request),
      onAssigned: ({ assignment, isLeader }) => this.#onAssigned(assignment, isLeader),
      onLost: async () => {
        this.#view = null;
        this.#assigned = false;
        await options.onLost();
      },
      onFatal: (error) => options.onFatal(error),
    });
  }

  get generation(): number {
    return this.#member.generation;
  }
  get isLeader(): boolean {
    return this.#member.isLeader;
  }
  get leaderUrl(): string {
    return this.#leaderUrl;
  }
  /** Whether the worker has its share of the group's work; a rebalance takes nothing away until it ends. */
  get ready(): boolean {
    return this.#assigned && this.#member.state !== 'stopped';
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
    const { clock, maxDelayMs, refreshConfig, configOffset, configured, url } = this.#options;
    const members = request.members.map(({ memberId, metadata }) => ({
      id: memberId,
      ...decodeMetadata(metadata),
    }));
    const newest = Math.max(...members.map((member) => member.configOffset));
    if (newest > configOffset()) await refreshConfig();
    const version = CONNECT_PROTOCOLS.find(({ name }) => name === request.protocol)?.version ?? 1;
    const offset = configOffset();
    const { byMember, delayMs, view } = assignWork({
      members: members.map(({ id, allocation }) => ({ id, owned: allocation })),
      configured: configured(),
      view: this.#view,
      nowMs: clock.monotonicMs(),
      maxDelayMs,
    });
    this.#view = view;
    const shared = { error: 0, leader: request.memberId, leaderUrl: url, configOffset: offset, delayMs };
    return new Map(
      members.map(({ id }) => {
        const { assigned = [], revoked = [] } = byMember.get(id) ?? {};
        return [id, encodeAssignment({ ...shared, assigned, revoked }, version)];
      }),
    );
  }

  async #onAssigned(bytes: Buffer, isLeader: boolean): Promise<void> {
    const { onAssigned, configOffset, refreshConfig, clock, logger } = this.#options;
    this.#cancelDelay?.abort();
    if (!isLeader) this.#view = null;
    if (bytes.length === 0) {
      // The broker kept no assignment for this returning member.
      this.#member.rejoin();
      return;
    }
    const assignment = decodeAssignment(bytes);
    this.#leaderUrl = assignment.leaderUrl;
    if (assignment.error === CONFIG_MISMATCH) {
      logger.warn('the leader knows less of the config topic than this worker; joining again');
      await clock.sleep(CONFIG_WAIT_MS, this.#stop.signal);
      this.#member.rejoin();
      return;
    }
    if (assignment.configOffset > configOffset()) await refreshConfig();
    await onAssigned(assignment);
    this.#assigned = true;
    // A leader that took its place back was given an old assignment and has computed none; revoked work is free now.
    if ((isLeader && this.#view === null) || assignment.revoked.length > 0) this.#member.rejoin();
    if (assignment.delayMs > 0) this.#rejoinAfter(assignment.delayMs);
  }

  #rejoinAfter(delayMs: number): void {
    const cancel = new AbortController();
    this.#cancelDelay = cancel;
    void this.#options.clock.sleep(delayMs, cancel.signal).then(() => {
      if (!cancel.signal.aborted) this.#member.rejoin();
    });
  }
}
