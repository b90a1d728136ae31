// A classic consumer group: who is in it, which generation, and how a rebalance runs from "join again" to the
// assignments. No sockets, files or clocks of its own: time and storage come through GroupEnvironment. The requests
// of members are in group-requests.ts. Follows GroupCoordinator of Kafka 4.3.
import { KafkaErrors } from '@millrace/kafka-protocol';
import {
  type JoinAnswer,
  joinFailure,
  type Member,
  type MemberProtocol,
  NO_BYTES,
  syncFailure,
} from './member.ts';
import type { StoredGroup } from './records.ts';
import { type GroupEvent, type GroupState, nextState } from './states.ts';

/** What a group needs from outside. */
export interface GroupEnvironment {
  nowMs(): number;
  /** Calls back once after `ms`; returns how to cancel. */
  schedule(ms: number, callback: () => void): () => void;
  /** Stores what `group.toStored()` says; rejects when that failed. */
  store(group: Group): Promise<void>;
  newId(): string;
  readonly initialRebalanceDelayMs: number;
  /** Time a new member may wait for its first rebalance before it is taken for dead. */
  readonly newMemberTimeoutMs: number;
}

type ErrorCode = { readonly code: number };

export class Group {
  readonly id: string;
  readonly env: GroupEnvironment;
  state: GroupState = 'Empty';
  stateSinceMs: number;
  generation = 0;
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  readonly members: Map<string, Member> = new Map();
  /** Instance id -> member id. */
  readonly staticMembers: Map<string, string> = new Map();
  /** Ids that were handed out and not used yet, with how to cancel their expiry. */
  readonly pendingMembers: Map<string, () => void> = new Map();
  /** Members that did not ask for their assignment yet. */
  readonly #pendingSync = new Set<string>();
  #cancelRebalance: (() => void) | undefined;
  #cancelSync: (() => void) | undefined;
  /** While the first rebalance of an empty group still waits for more members. */
  #initialDelay: { deadlineMs: number; newMember: boolean } | undefined;

  constructor(id: string, env: GroupEnvironment) {
    this.id = id;
    this.env = env;
    this.stateSinceMs = env.nowMs();
  }

  is(...states: readonly GroupState[]): boolean {
    return states.includes(this.state);
  }

  transition(event: GroupEvent): void {
    this.state = nextState(this.state, event);
    this.stateSinceMs = this.env.nowMs();
  }

  /** Whether a member with these protocols could take part. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.members.size === 0) return protocolType !== '' && protocols.length > 0;
    if (protocolType !== this.protocolType) return false;
    const common = this.#commonProtocols();
    return protocols.some((protocol) => common.has(protocol.name));
  }

  /** The protocol of the next generation: known to all, wanted by most. */
  selectProtocol(): string | null {
    const candidates = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const vote = member.vote(candidates);
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    let best: string | null = null;
    for (const [name, count] of votes) if (best === null || count > (votes.get(best) ?? 0)) best = name;
    return best;
  }

  add(member: Member, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType;
    this.members.set(member.id, member);
    if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.id);
    this.leaderId ??= member.id;
    this.pendingMembers.get(member.id)?.();
    this.pendingMembers.delete(member.id);
    if (this.#initialDelay) this.#initialDelay.newMember = true;
  }

  /** Takes a member out; its pending requests are answered with `error`. */
  remove(member: Member, error: ErrorCode): void {
    member.cancelSession?.();
    this.members.delete(member.id);
    this.#pendingSync.delete(member.id);
    if (member.instanceId !== null && this.staticMembers.get(member.instanceId) === member.id) {
      this.staticMembers.delete(member.instanceId);
    }
    if (this.leaderId === member.id) this.leaderId = this.members.keys().next().value ?? null;
    member.answerJoin(joinFailure(member.id, error));
    member.answerSync(syncFailure(error));
  }

  /** Gives a static member's place to a new id. */
  replace(old: Member, successor: Member): void {
    const order = [...this.members.values()].map((member) => (member === old ? successor : member));
    this.members.clear();
    for (const member of order) this.members.set(member.id, member);
    if (successor.instanceId !== null) this.staticMembers.set(successor.instanceId, successor.id);
    if (this.leaderId === old.id) this.leaderId = successor.id;
    if (this.#pendingSync.delete(old.id)) this.#pendingSync.add(successor.id);
    old.cancelSession?.();
    old.answerJoin(joinFailure(old.id, KafkaErrors.FENCED_INSTANCE_ID));
    old.answerSync(syncFailure(KafkaErrors.FENCED_INSTANCE_ID));
  }

  /** Starts a rebalance unless one is under way, and ends it when everybody is there already. */
  rebalance(): void {
    if (this.is('Empty', 'Stable', 'CompletingRebalance')) this.#prepare();
    else if (this.is('PreparingRebalance')) this.completeIfJoined();
  }

  /** Ends the joining phase once all members have joined and no handed-out id is still expected. */
  completeIfJoined(): void {
    if (!this.is('PreparingRebalance') || this.#initialDelay) return;
    const all = [...this.members.values()].every((member) => member.onJoined !== undefined);
    if (all && this.pendingMembers.size === 0) this.#completeJoin();
  }

  /** (Re)starts the timer after which a silent member is taken for dead. */
  keepAlive(member: Member): void {
    this.#startSession(member, member.sessionTimeoutMs);
  }

  /** The answer to a member of the current generation; the leader also gets the list of members. */
  joinAnswer(member: Member): JoinAnswer {
    const isLeader = member.id === this.leaderId;
    return {
      errorCode: 0,
      generationId: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.leaderId ?? '',
      skipAssignment: false,
      memberId: member.id,
      members: isLeader ? this.memberMetadata() : [],
    };
  }

  memberMetadata(): JoinAnswer['members'] {
    return [...this.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      metadata: member.metadataFor(this.protocolName),
    }));
  }

  /** A member asked for its assignment. */
  synced(memberId: string): void {
    this.#pendingSync.delete(memberId);
    if (this.#pendingSync.size === 0) this.#cancelSync?.();
  }

  /** Stores the leader's assignments, then hands them out. */
  async assign(assignments: ReadonlyMap<string, Buffer>): Promise<void> {
    const { generation } = this;
    for (const member of this.members.values()) member.assignment = assignments.get(member.id) ?? NO_BYTES;
    let failed = false;
    try {
      await this.env.store(this);
    } catch {
      failed = true;
    }
    // Meanwhile another member may have started a new rebalance, which then has answered everybody.
    if (!this.is('CompletingRebalance') || this.generation !== generation) return;
    if (failed) {
      this.#resetAssignments(KafkaErrors.COORDINATOR_NOT_AVAILABLE);
      this.#prepare();
      return;
    }
    this.transition('assigned');
    for (const member of this.members.values()) this.answerSync(member);
  }

  answerSync(member: Member): void {
    if (!member.onSynced) return;
    this.synced(member.id);
    member.answerSync({
      errorCode: 0,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      assignment: member.assignment,
    });
    this.keepAlive(member);
  }

  /** Takes everything back that waits: the group is deleted or the broker stops. */
  close(error: ErrorCode): void {
    this.#cancelRebalance?.();
    this.#cancelSync?.();
    for (const cancel of this.pendingMembers.values()) cancel();
    for (const member of this.members.values()) {
      member.cancelSession?.();
      member.answerJoin(joinFailure(member.id, error));
      member.answerSync(syncFailure(error));
    }
  }

  toStored(): StoredGroup {
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generation,
      protocol: this.protocolName,
      leader: this.leaderId,
      currentStateTimestamp: this.stateSinceMs,
      members: [...this.members.values()].map((member) => member.toStored(this.protocolName)),
    };
  }

  /** Takes over what a log says; members have one session to report again. */
  restore(stored: StoredGroup, members: readonly Member[]): void {
    this.generation = stored.generation;
    this.protocolType = stored.protocolType === '' ? null : stored.protocolType;
    this.protocolName = stored.protocol;
    this.leaderId = stored.leader;
    this.stateSinceMs = stored.currentStateTimestamp;
    this.state = members.length > 0 ? 'Stable' : 'Empty';
    for (const member of members) {
      member.isNew = false;
      this.members.set(member.id, member);
      if (member.instanceId !== null) this.staticMembers.set(member.instanceId, member.id);
    }
  }

  #commonProtocols(): ReadonlySet<string> {
    let common: Set<string> | undefined;
    for (const member of this.members.values()) {
      const names = new Set(member.protocols.map((protocol) => protocol.name));
      common = common ? new Set([...common].filter((name) => names.has(name))) : names;
    }
    return common ?? new Set();
  }

  #prepare(): void {
    if (this.is('CompletingRebalance')) this.#resetAssignments(KafkaErrors.REBALANCE_IN_PROGRESS);
    const isFirst = this.is('Empty');
    this.#pendingSync.clear();
    this.#cancelSync?.();
    this.transition('rebalance');
    const delay = this.env.initialRebalanceDelayMs;
    if (isFirst && delay > 0) {
      const longest = Math.max(delay, this.#rebalanceTimeout());
      this.#waitForFirstMembers(delay, this.env.nowMs() + longest);
      return;
    }
    this.#armRebalanceTimer();
    this.completeIfJoined();
  }

  /** While new members keep coming, the first rebalance waits for more, up to the rebalance timeout. */
  #waitForFirstMembers(delay: number, deadlineMs: number): void {
    this.#initialDelay = { deadlineMs, newMember: false };
    this.#cancelRebalance = this.env.schedule(delay, () => {
      const left = deadlineMs - this.env.nowMs();
      if (this.#initialDelay?.newMember && left > 0) {
        this.#waitForFirstMembers(Math.min(delay, left), deadlineMs);
        return;
      }
      this.#initialDelay = undefined;
      this.#completeJoin();
    });
  }

  #armRebalanceTimer(): void {
    this.#cancelRebalance?.();
    this.#cancelRebalance = this.env.schedule(this.#rebalanceTimeout(), () => this.#completeJoin());
  }

  #rebalanceTimeout(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  #completeJoin(): void {
    this.#cancelRebalance?.();
    if (!this.is('PreparingRebalance')) return;
    for (const member of this.members.values()) {
      // Static members keep their place until their session ends.
      if (!member.onJoined && member.instanceId === null) this.remove(member, KafkaErrors.UNKNOWN_MEMBER_ID);
    }
    const joined = [...this.members.values()].filter((member) => member.onJoined);
    const firstJoined = joined[0];
    if (this.members.size > 0 && !firstJoined) {
      this.#armRebalanceTimer();
      return;
    }
    this.generation++;
    if (!firstJoined) {
      this.protocolName = null;
      this.leaderId = null;
      this.transition('emptied');
      this.env.store(this).catch(() => undefined);
      return;
    }
    if (!joined.some((member) => member.id === this.leaderId)) this.leaderId = firstJoined.id;
    this.protocolName = this.selectProtocol();
    this.transition('joined');
    for (const member of this.members.values()) {
      member.isNew = false;
      this.#pendingSync.add(member.id);
      member.answerJoin(this.joinAnswer(member));
      this.keepAlive(member);
    }
    const { generation } = this;
    this.#cancelSync = this.env.schedule(this.#rebalanceTimeout(), () => this.#dropUnsynced(generation));
  }

  /** Members that joined and never asked for their assignment hold nobody up for longer than a rebalance. */
  #dropUnsynced(generation: number): void {
    if (this.generation !== generation || !this.is('CompletingRebalance', 'Stable')) return;
    for (const memberId of this.#pendingSync) {
      const member = this.members.get(memberId);
      if (member) this.remove(member, KafkaErrors.UNKNOWN_MEMBER_ID);
    }
    this.rebalance();
  }

  #resetAssignments(error: ErrorCode): void {
    for (const member of this.members.values()) {
      member.assignment = NO_BYTES;
      member.answerSync(syncFailure(error));
    }
  }

  #startSession(member: Member, timeoutMs: number): void {
    member.cancelSession?.();
    member.cancelSession = this.env.schedule(timeoutMs, () => this.#sessionEnded(member));
  }

  #sessionEnded(member: Member): void {
    if (this.members.get(member.id) !== member) return;
    // A member with a pending request is alive; a new one is given up after a while, as its client may be gone.
    const waits = member.onSynced !== undefined || (member.onJoined !== undefined && !member.isNew);
    if (waits) {
      this.keepAlive(member);
      return;
    }
    if (member.onJoined && this.env.nowMs() - this.stateSinceMs < this.env.newMemberTimeoutMs) {
      this.keepAlive(member);
      return;
    }
    this.remove(member, KafkaErrors.UNKNOWN_MEMBER_ID);
    this.rebalance();
  }
}
