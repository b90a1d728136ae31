// One member of a classic group, of any protocol type: join, sync, heartbeats in the background, leave. What the
// metadata and assignments mean is the caller's. Callbacks are awaited, and heartbeats go on while they run.
//
//   idle --start--> joining --joined--> syncing --assigned--> stable --rebalance, rejoin--> (onRevoked) joining
//   joining, syncing --stale, coordinator gone--> joining after a pause
//   any --unknown member, old generation, session over--> (onLost) joining
//   any --step out--> (onLost) joining after a pause outside the group
//   any --fenced, refused--> (onLost) stopped          any --leave--> (onRevoked) stopped
import { MillraceError, toError } from '@millrace/foundation';
import { API, KafkaErrors, type ResponseBody } from '@millrace/kafka-protocol';
import { askCoordinator } from './ask-coordinator.ts';
import { backoffMs } from './backoff.ts';
import { type EventTimes, GroupStats } from './client-stats.ts';
import { type Cluster, isConnectionProblem } from './cluster.ts';
import { brokerError, clientError } from './errors.ts';
import { ANSWER_SLACK_MS, deadlineIn, orGivenUp } from './given-up.ts';
import type { GroupMemberOptions, LossReason, MemberState } from './group-member-options.ts';
import type { Heartbeat } from './heartbeat-lines.ts';

const NO_GENERATION = -1;
const E = KafkaErrors;
/** So much longer than a rebalance may take does a join wait for its answer, as Java's clients have it. */
const JOIN_SLACK_MS = 5000;
type JoinResponse = ResponseBody<typeof API.JoinGroup>;

export class GroupMember implements AsyncDisposable {
  readonly #options: GroupMemberOptions;
  readonly #cluster: Cluster;
  /** Joining waits at the broker, so heartbeats and commits need connections of their own. */
  readonly #joinLane: string;
  readonly #lane: string;
  readonly #stop = new AbortController();
  /** What it has been through. */
  readonly stats: GroupStats = new GroupStats();
  #state: MemberState = 'idle';
  #memberId = '';
  #generation = NO_GENERATION;
  #isLeader = false;
  #holdsAssignment = false;
  #rejoinNeeded = false;
  #lost: LossReason | undefined;
  #problem: Error | undefined;
  #steppingOut: { readonly why: Error; readonly pauseMs: number } | undefined;
  #lastContactMs = 0;
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#joinLane = options.cluster.newLane('join');
    this.#lane = options.cluster.newLane('group');
  }

  get state(): MemberState {
    return this.#state;
  }
  get memberId(): string {
    return this.#memberId;
  }
  /** -1 outside a generation. */
  get generation(): number {
    return this.#generation;
  }
  /** Why joining failed last, until it succeeds. */
  get problem(): Error | undefined {
    return this.#problem;
  }
  /** Since when the coordinator has been silent, by the clock that never goes back; undefined while it answers in time. */
  get silentSinceMs(): number | undefined {
    const { clock, heartbeatIntervalMs } = this.#options;
    const since = this.#lastContactMs;
    const isOverdue = clock.monotonicMs() - since > heartbeatIntervalMs + ANSWER_SLACK_MS;
    return this.#state === 'stable' && isOverdue ? since : undefined;
  }
  get isLeader(): boolean {
    return this.#isLeader;
  }
  /** The lane to the coordinator that heartbeats use; commits belong there too. */
  get lane(): string {
    return this.#lane;
  }

  /** Starts joining. Problems that pass are retried; the others go to `onFatal`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Joins again, because what this member wants has changed. */
  rejoin(): void {
    this.#rejoinNeeded = true;
    this.#wake();
  }

  /**
   * Leaves the group, after `onLost`, and joins it again after a time: what the group counts on cannot be done here now.
   * Callbacks that call it should return soon, or throw.
   */
  stepOut(why: Error, pauseMs: number): void {
    this.#steppingOut = { why, pauseMs };
    this.#lost ??= 'stepped_out';
    this.#wake();
  }

  /**
   * Ends the membership after `onRevoked`. A static member keeps its place for the session time unless `forGood`.
   */
  async leave(options: { forGood?: boolean } = {}): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#wake();
    await this.#cluster.closeLane(this.#joinLane); // a join that waits at the broker is given up
    await this.#running;
    const isStatic = this.#options.groupInstanceId !== undefined;
    // A join that was given up may have made a member all the same, known to us by its instance id alone.
    const mayBeMember = this.#memberId !== '' || (isStatic && this.#running !== undefined);
    if (mayBeMember && !this.#cluster.isClosed && (!isStatic || options.forGood)) await this.#tellOfLeaving();
    this.#generation = NO_GENERATION;
    await this.#cluster.closeLane(this.#lane);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  // ---- the life of a member

  async #run(): Promise<void> {
    let attempt = 0;
    while (!this.#stop.signal.aborted) {
      try {
        this.#rejoinNeeded = false;
        await this.#rebalance();
        attempt = 0;
        this.#problem = undefined;
        await this.#stayStable();
        if (this.#lost === 'fenced') throw fenced(this.#options.groupId);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (!this.#passes(error)) {
          await this.#giveUp(error);
          return;
        }
        attempt++;
        this.#problem = toError(error);
        this.#options.logger.debug({ err: toError(error), groupId: this.#options.groupId }, 'joining again');
        this.#noteExpiry();
        await this.#endGeneration();
        if (!(await this.#restOutside())) {
          await this.#options.clock.sleep(backoffMs(attempt), this.#stop.signal);
        }
        continue;
      }
      await this.#endGeneration();
      await this.#restOutside();
    }
    await this.#endGeneration();
    this.#state = 'stopped';
  }

  /** False when the member has no reason to. */
  async #restOutside(): Promise<boolean> {
    const out = this.#steppingOut;
    if (out === undefined || this.#stop.signal.aborted) return false;
    this.#steppingOut = undefined;
    this.#problem = out.why;
    await this.#tellOfLeaving();
    this.#memberId = '';
    await this.#options.clock.sleep(out.pauseMs, this.#stop.signal);
    return true;
  }

  /** Gives back or loses what is held, before the next join. */
  async #endGeneration(): Promise<void> {
    const reason = this.#lost;
    this.#lost = undefined;
    if (reason === 'unknown_member' || reason === 'fenced') this.#memberId = '';
    if (reason === 'session_expired') this.#problem ??= this.#silence();
    if (!this.#holdsAssignment) return;
    if (reason === undefined && this.#keepsThroughRebalance && !this.#stop.signal.aborted) return;
    this.#holdsAssignment = false;
    const heartbeat = reason === undefined ? this.#heartbeats(() => undefined) : undefined;
    try {
      if (reason === undefined) await this.#options.onRevoked?.(this.#generation);
      else await this.#options.onLost?.(reason);
    } catch (error) {
      this.#options.logger.error({ err: toError(error) }, 'a rebalance callback failed');
    } finally {
      await heartbeat?.stop();
    }
    if (reason !== undefined) this.#generation = NO_GENERATION;
  }

  #silence(): MillraceError {
    const { groupId, sessionTimeoutMs } = this.#options;
    return clientError(
      'kafka.request_timeout',
      `The coordinator of group ${groupId} has not answered for its session of ${sessionTimeoutMs} ms`,
    );
  }

  get #keepsThroughRebalance(): boolean {
    return this.#options.onRevoked === undefined;
  }

  /** Without contact for a session time the coordinator may have given away what this member holds. */
  #noteExpiry(): void {
    const { clock, sessionTimeoutMs } = this.#options;
    if (!this.#holdsAssignment) return;
    if (clock.monotonicMs() - this.#lastContactMs > sessionTimeoutMs) this.#lost ??= 'session_expired';
  }

  async #giveUp(error: unknown): Promise<void> {
    this.#lost ??= 'fenced';
    await this.#endGeneration();
    this.#state = 'stopped';
    const coded =
      error instanceof MillraceError ? error : clientError('kafka.refused', toError(error).message);
    this.#options.logger.error({ err: coded, groupId: this.#options.groupId }, 'group membership ended');
    this.#options.onFatal?.(coded);
  }

  #passes(error: unknown): boolean {
    // What has been lost can be joined again, however the attempt under way ended.
    if (this.#lost !== undefined && this.#lost !== 'fenced') return true;
    return isConnectionProblem(error) || (error as { code?: string }).code === 'kafka.group_stale';
  }

  async #rebalance(): Promise<void> {
    const { clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    let times = this.stats.failedRebalances;
    try {
      await this.#joinAndSync();
      times = this.stats.rebalances;
    } finally {
      const nowMs = clock.monotonicMs();
      if (!this.#stop.signal.aborted) times.add(nowMs - sinceMs, nowMs);
    }
  }

  async #joinAndSync(): Promise<void> {
    this.#state = 'joining';
    // Who holds something must know in time when the group no longer counts on it; the join itself may wait for long.
    const beating = this.#holdsAssignment
      ? this.#heartbeats(() => {
          if (this.#lost) void this.#cluster.closeLane(this.#joinLane);
        })
      : undefined;
    let joined: JoinResponse;
    let assignment: Buffer;
    try {
      if (this.#holdsAssignment) await this.#options.beforeRejoin?.();
      joined = await this.#join();
      assignment = await this.#sync(joined);
    } finally {
      await beating?.stop();
    }
    this.#generation = joined.generationId;
    this.#lastContactMs = this.#options.clock.monotonicMs();
    this.#holdsAssignment = true;
    this.#state = 'stable';
    const heartbeat = this.#heartbeats(() => undefined);
    try {
      await this.#options.onAssigned({
        protocol: joined.protocolName ?? '',
        assignment,
        generation: joined.generationId,
        memberId: joined.memberId,
        isLeader: this.#isLeader,
      });
    } finally {
      await heartbeat.stop();
    }
  }

  async #sync(joined: JoinResponse): Promise<Buffer> {
    this.#state = 'syncing';
    this.#isLeader = joined.leader === joined.memberId;
    const assignments = this.#isLeader && !joined.skipAssignment ? await this.#lead(joined) : [];
    const { groupId, groupInstanceId, protocolType } = this.#options;
    const answered = this.#options.onContact?.();
    const sinceMs = this.#options.clock.monotonicMs();
    const answer = await askCoordinator(
      this.#cluster,
      API.SyncGroup,
      {
        groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: groupInstanceId ?? null,
        protocolType,
        protocolName: joined.protocolName,
        assignments,
      },
      { lane: this.#joinLane, signal: this.#stop.signal },
    );
    this.#check(answer.errorCode, 'Getting the assignment');
    this.#took(this.stats.syncs, sinceMs);
    answered?.();
    return answer.assignment;
  }

  async #join(): Promise<JoinResponse> {
    const { groupId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, groupInstanceId } = this.#options;
    const sinceMs = this.#options.clock.monotonicMs();
    const timeoutMs = Math.max(this.#cluster.requestTimeoutMs, rebalanceTimeoutMs + JOIN_SLACK_MS);
    for (;;) {
      const answer = await askCoordinator(
        this.#cluster,
        API.JoinGroup,
        {
          groupId,
          sessionTimeoutMs,
          rebalanceTimeoutMs,
          memberId: this.#memberId,
          groupInstanceId: groupInstanceId ?? null,
          protocolType,
          protocols: this.#options.protocols(),
        },
        { lane: this.#joinLane, signal: this.#stop.signal, timeoutMs },
      );
      if (answer.errorCode === E.MEMBER_ID_REQUIRED.code) {
        this.#memberId = answer.memberId;
        continue;
      }
      this.#check(answer.errorCode, `Joining group ${groupId}`);
      this.#memberId = answer.memberId;
      this.#took(this.stats.joins, sinceMs);
      return answer;
    }
  }

  async #lead(joined: JoinResponse): Promise<{ memberId: string; assignment: Buffer }[]> {
    const assignments = await this.#options.lead({
      protocol: joined.protocolName ?? '',
      generation: joined.generationId,
      memberId: joined.memberId,
      members: joined.members,
    });
    return [...assignments].map(([memberId, assignment]) => ({ memberId, assignment }));
  }

  /** Returns when a rebalance begins, the membership is lost or the member is told to stop. */
  async #stayStable(): Promise<void> {
    if (this.#rejoinNeeded || this.#lost || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const heartbeat = this.#heartbeats(() => this.#wake());
      this.#wake = () => {
        this.#wake = () => undefined;
        void heartbeat.stop().then(resolve);
      };
    });
  }

  // ---- heartbeats

  /** Sends heartbeats until stopped; `onChange` is called when one says that something must happen. */
  #heartbeats(onChange: () => void): { stop: () => Promise<void> } {
    const end = new AbortController();
    const beat = async (): Promise<void> => {
      while (!end.signal.aborted) {
        await this.#cluster.heartbeatDue(this.#options.heartbeatIntervalMs, end.signal);
        if (end.signal.aborted) return;
        await this.#beat(end.signal);
        if (this.#rejoinNeeded || this.#lost) onChange();
        if (this.#lost) return;
      }
    };
    const running = beat();
    return {
      stop: async () => {
        end.abort();
        await running;
      },
    };
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { groupId, groupInstanceId = null, clock, logger } = this.#options;
    const body = { groupId, generationId: this.#generation, memberId: this.#memberId, groupInstanceId };
    const answered = this.#options.onContact?.();
    const sinceMs = clock.monotonicMs();
    try {
      const errorCode = await this.#sendHeartbeat(body, sinceMs, signal);
      const isRebalance = errorCode === E.REBALANCE_IN_PROGRESS.code;
      // The join that is under way knows the generation to come.
      if (this.#isJoining && errorCode === E.ILLEGAL_GENERATION.code) return;
      if (!isRebalance) this.#check(errorCode, 'Heartbeat');
      this.#lastContactMs = clock.monotonicMs();
      this.#took(this.stats.heartbeats, sinceMs);
      answered?.();
      if (isRebalance && !this.#isJoining) this.#rejoinNeeded = true;
    } catch (error) {
      if (signal.aborted) return;
      logger.debug({ err: toError(error), groupId }, 'a heartbeat failed');
      this.#noteExpiry();
    }
  }

  /** The error code of the answer. */
  async #sendHeartbeat(body: Heartbeat, nowMs: number, signal: AbortSignal): Promise<number> {
    const { sessionTimeoutMs, clock } = this.#options;
    // INV-2: the session ends in time whatever holds the answer up, be it the search for the coordinator or a connection
    // that does not open.
    const endMs = this.#lastContactMs + sessionTimeoutMs;
    const waitMs = Math.min(ANSWER_SLACK_MS, sessionTimeoutMs / 3, endMs - nowMs);
    const shared = await this.#cluster.sharedHeartbeat(body, { waitMs, signal });
    if (shared) return shared.errorCode;
    const session = deadlineIn(clock, Math.max(0, endMs - clock.monotonicMs()) + 1, signal);
    try {
      const timeoutMs = Math.min(sessionTimeoutMs, this.#cluster.requestTimeoutMs);
      const options = { signal: session.signal, timeoutMs, lane: this.#lane };
      return (await askCoordinator(this.#cluster, API.Heartbeat, body, options)).errorCode;
    } finally {
      session.end();
    }
  }

  #took(times: EventTimes, sinceMs: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    times.add(nowMs - sinceMs, nowMs);
  }

  get #isJoining(): boolean {
    return this.#state === 'joining' || this.#state === 'syncing';
  }

  // ---- asking the coordinator

  /** Throws for an error code, after noting what it says about this membership. */
  #check(errorCode: number, doing: string): void {
    if (errorCode === 0) return;
    const context = { groupId: this.#options.groupId, memberId: this.#memberId };
    switch (errorCode) {
      case E.NOT_COORDINATOR.code:
      case E.COORDINATOR_NOT_AVAILABLE.code:
        this.#cluster.forgetCoordinator(this.#options.groupId);
        break;
      case E.UNKNOWN_MEMBER_ID.code:
        this.#lost = 'unknown_member';
        if (!this.#holdsAssignment) this.#memberId = '';
        throw brokerError(errorCode, doing, { code: 'kafka.group_stale', context });
      case E.ILLEGAL_GENERATION.code:
        this.#lost = 'stale_generation';
        throw brokerError(errorCode, doing, { code: 'kafka.group_stale', context });
      case E.REBALANCE_IN_PROGRESS.code:
        throw brokerError(errorCode, doing, { code: 'kafka.group_stale', context });
      case E.FENCED_INSTANCE_ID.code:
        this.#lost = 'fenced';
        throw brokerError(errorCode, doing, { code: 'kafka.group_fenced', context });
      default:
    }
    throw brokerError(errorCode, doing, { context });
  }

  /** Tries for the session time: after it the group has forgotten the member anyway. */
  async #tellOfLeaving(): Promise<void> {
    const { clock, sessionTimeoutMs, logger } = this.#options;
    const session = deadlineIn(clock, sessionTimeoutMs);
    try {
      await orGivenUp(this.#sendLeave(), session.signal);
    } catch (error) {
      logger.debug({ err: toError(error) }, 'leaving the group was not confirmed');
    } finally {
      session.end();
    }
  }

  async #sendLeave(): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    const member = { memberId: this.#memberId, groupInstanceId: groupInstanceId ?? null };
    const nodeId = await this.#cluster.coordinator(groupId);
    const connection = await this.#cluster.connection(nodeId, this.#lane);
    await connection.request(API.LeaveGroup, { groupId, memberId: this.#memberId, members: [member] });
  }
}

function fenced(groupId: string): MillraceError {
  return brokerError(E.FENCED_INSTANCE_ID.code, `Group ${groupId}`, { code: 'kafka.group_fenced' });
}
