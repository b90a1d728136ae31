// What members ask of a classic group: join, sync, heartbeat, leave, and the checks of a commit. Which error comes
// when decides whether clients retry, rejoin or die; the order of the checks is Kafka's.
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';
import type { Group } from './group.ts';
import {
  type JoinAnswer,
  joinFailure,
  Member,
  type MemberProtocol,
  type SyncAnswer,
  syncFailure,
} from './member.ts';

export interface JoinRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** New members get an id first and join with it (KIP-394). */
  readonly requireKnownMemberId: boolean;
  /** The client understands an answer that tells the leader to keep the assignment (KIP-814). */
  readonly canSkipAssignment: boolean;
}

export interface SyncRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: ReadonlyMap<string, Buffer>;
}

export interface MemberClaim {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

/** Who says so must be a member, and the current holder of its instance id. */
function memberProblem(group: Group, memberId: string, instanceId: string | null): ErrorAnswer | undefined {
  if (instanceId !== null) {
    const holder = group.staticMembers.get(instanceId);
    if (holder === undefined) return KafkaErrors.UNKNOWN_MEMBER_ID;
    if (holder !== memberId) return KafkaErrors.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? undefined : KafkaErrors.UNKNOWN_MEMBER_ID;
}

/** Resolves when the rebalance the join takes part in has ended, or at once with what went wrong. */
export function join(group: Group, request: JoinRequest): Promise<JoinAnswer> {
  const { memberId } = request;
  if (group.is('Dead')) return Promise.resolve(joinFailure(memberId, KafkaErrors.COORDINATOR_NOT_AVAILABLE));
  if (!group.supports(request.protocolType, request.protocols)) {
    return Promise.resolve(joinFailure(memberId, KafkaErrors.INCONSISTENT_GROUP_PROTOCOL));
  }
  return memberId === '' ? joinAsNew(group, request) : joinAsKnown(group, request);
}

function joinAsNew(group: Group, request: JoinRequest): Promise<JoinAnswer> {
  const { groupInstanceId } = request;
  const memberId = `${groupInstanceId ?? request.clientId}-${group.env.newId()}`;
  if (groupInstanceId !== null) {
    const holder = group.members.get(group.staticMembers.get(groupInstanceId) ?? '');
    return holder
      ? replaceStatic(group, holder, memberId, request)
      : addAndRebalance(group, memberId, request);
  }
  if (!request.requireKnownMemberId) return addAndRebalance(group, memberId, request);
  group.pendingMembers.set(
    memberId,
    group.env.schedule(request.sessionTimeoutMs, () => {
      group.pendingMembers.delete(memberId);
      group.completeIfJoined();
    }),
  );
  return Promise.resolve(joinFailure(memberId, KafkaErrors.MEMBER_ID_REQUIRED));
}

function joinAsKnown(group: Group, request: JoinRequest): Promise<JoinAnswer> {
  const { memberId, groupInstanceId } = request;
  if (group.pendingMembers.has(memberId)) return addAndRebalance(group, memberId, request);
  const problem = memberProblem(group, memberId, groupInstanceId);
  const member = group.members.get(memberId);
  if (problem || !member)
    return Promise.resolve(joinFailure(memberId, problem ?? KafkaErrors.UNKNOWN_MEMBER_ID));
  const unchanged = member.matches(request.protocols);
  // A retry of a join whose answer was lost gets the same generation again.
  const isRetry = group.is('CompletingRebalance') && unchanged;
  const mayStay = group.is('Stable') && unchanged && memberId !== group.leaderId;
  if (isRetry || mayStay) {
    group.keepAlive(member);
    return Promise.resolve(group.joinAnswer(member));
  }
  if (group.is('Empty')) return Promise.resolve(joinFailure(memberId, KafkaErrors.UNKNOWN_MEMBER_ID));
  return waitForGeneration(group, member, request);
}

function addAndRebalance(group: Group, memberId: string, request: JoinRequest): Promise<JoinAnswer> {
  const member = newMember(memberId, request);
  group.add(member, request.protocolType);
  group.keepAlive(member);
  return waitForGeneration(group, member, request);
}

function waitForGeneration(group: Group, member: Member, request: JoinRequest): Promise<JoinAnswer> {
  member.protocols = request.protocols;
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
  // A second join of the same member takes the place of the first, whose connection is gone.
  member.answerJoin(joinFailure(member.id, KafkaErrors.REBALANCE_IN_PROGRESS));
  return new Promise((resolve) => {
    member.onJoined = resolve;
    group.rebalance();
  });
}

/** A new instance with a known instance id: the old one is fenced, and nothing else changes if nothing must. */
function replaceStatic(
  group: Group,
  old: Member,
  memberId: string,
  request: JoinRequest,
): Promise<JoinAnswer> {
  const oldProtocol = group.protocolName;
  const oldLeader = group.leaderId;
  const member = newMember(memberId, request);
  member.assignment = old.assignment;
  member.isNew = false;
  group.replace(old, member);
  group.keepAlive(member);
  if (!group.is('Stable') || group.selectProtocol() !== oldProtocol)
    return waitForGeneration(group, member, request);
  return group.env.store(group).then(
    () => unchangedGeneration(group, member, oldLeader, request),
    () => joinFailure(memberId, KafkaErrors.COORDINATOR_NOT_AVAILABLE),
  );
}

function unchangedGeneration(
  group: Group,
  member: Member,
  oldLeader: string | null,
  request: JoinRequest,
): JoinAnswer {
  const answer = group.joinAnswer(member);
  if (request.canSkipAssignment) return { ...answer, skipAssignment: member.id === group.leaderId };
  // Told of the old leader's id, an older client that led does not assign anew.
  return { ...answer, leader: oldLeader ?? '', members: [] };
}

function newMember(memberId: string, request: JoinRequest): Member {
  const { groupInstanceId, clientId, clientHost } = request;
  return new Member(
    { memberId, groupInstanceId, clientId, clientHost },
    request.rebalanceTimeoutMs,
    request.sessionTimeoutMs,
    request.protocols,
  );
}

/** Resolves with the member's assignment once the leader has given it. */
export function sync(group: Group, request: SyncRequest): Promise<SyncAnswer> {
  const problem = syncProblem(group, request);
  const member = group.members.get(request.memberId);
  if (problem || !member) return Promise.resolve(syncFailure(problem ?? KafkaErrors.UNKNOWN_MEMBER_ID));
  return new Promise((resolve) => {
    member.answerSync(syncFailure(KafkaErrors.REBALANCE_IN_PROGRESS));
    member.onSynced = resolve;
    if (group.is('Stable')) {
      group.answerSync(member);
      return;
    }
    group.synced(member.id);
    if (member.id === group.leaderId) void group.assign(request.assignments);
  });
}

function syncProblem(group: Group, request: SyncRequest): ErrorAnswer | undefined {
  if (group.is('Dead')) return KafkaErrors.COORDINATOR_NOT_AVAILABLE;
  const problem = memberProblem(group, request.memberId, request.groupInstanceId);
  if (problem) return problem;
  if (request.generationId !== group.generation) return KafkaErrors.ILLEGAL_GENERATION;
  const otherType = request.protocolType !== null && request.protocolType !== group.protocolType;
  const otherName = request.protocolName !== null && request.protocolName !== group.protocolName;
  if (otherType || otherName) return KafkaErrors.INCONSISTENT_GROUP_PROTOCOL;
  if (group.is('Empty')) return KafkaErrors.UNKNOWN_MEMBER_ID;
  return group.is('PreparingRebalance') ? KafkaErrors.REBALANCE_IN_PROGRESS : undefined;
}

/** Keeps a member's session alive; the error tells it to join again, or that it is out. */
export function heartbeat(group: Group, claim: MemberClaim): ErrorAnswer {
  if (group.is('Dead')) return KafkaErrors.COORDINATOR_NOT_AVAILABLE;
  const problem = memberProblem(group, claim.memberId, claim.groupInstanceId);
  const member = group.members.get(claim.memberId);
  if (problem || !member) return problem ?? KafkaErrors.UNKNOWN_MEMBER_ID;
  if (claim.generationId !== group.generation) return KafkaErrors.ILLEGAL_GENERATION;
  if (group.is('Empty')) return KafkaErrors.UNKNOWN_MEMBER_ID;
  group.keepAlive(member);
  return group.is('PreparingRebalance') ? KafkaErrors.REBALANCE_IN_PROGRESS : KafkaErrors.NONE;
}

/** Takes a member out, by its id, or by its instance id alone. */
export function leave(group: Group, memberId: string, instanceId: string | null): ErrorAnswer {
  if (memberId === '' && instanceId !== null) {
    const holder = group.members.get(group.staticMembers.get(instanceId) ?? '');
    return holder ? removeMember(group, holder) : KafkaErrors.UNKNOWN_MEMBER_ID;
  }
  const cancel = group.pendingMembers.get(memberId);
  if (cancel) {
    cancel();
    group.pendingMembers.delete(memberId);
    group.completeIfJoined();
    return KafkaErrors.NONE;
  }
  const problem = memberProblem(group, memberId, instanceId);
  const member = group.members.get(memberId);
  return problem || !member ? (problem ?? KafkaErrors.UNKNOWN_MEMBER_ID) : removeMember(group, member);
}

function removeMember(group: Group, member: Member): ErrorAnswer {
  group.remove(member, KafkaErrors.UNKNOWN_MEMBER_ID);
  group.rebalance();
  return KafkaErrors.NONE;
}

/** Whether a commit may be taken. Generation -1 without a member id is a client that assigns by itself. */
export function commitProblem(group: Group, claim: MemberClaim): ErrorAnswer | undefined {
  if (group.is('Dead')) return KafkaErrors.COORDINATOR_NOT_AVAILABLE;
  if (claim.generationId < 0 && group.is('Empty')) return undefined;
  const isMember = claim.generationId >= 0 || claim.memberId !== '' || claim.groupInstanceId !== null;
  if (!isMember) return KafkaErrors.UNKNOWN_MEMBER_ID;
  const problem = memberProblem(group, claim.memberId, claim.groupInstanceId);
  const member = group.members.get(claim.memberId);
  if (problem || !member) return problem ?? KafkaErrors.UNKNOWN_MEMBER_ID;
  if (claim.generationId !== group.generation) return KafkaErrors.ILLEGAL_GENERATION;
  if (group.is('CompletingRebalance')) return KafkaErrors.REBALANCE_IN_PROGRESS;
  group.keepAlive(member);
  return undefined;
}

/** The same for a commit in a transaction: a producer that names no member is asked nothing (KIP-447). */
export function transactionalCommitProblem(group: Group, claim: MemberClaim): ErrorAnswer | undefined {
  if (group.is('Dead')) return KafkaErrors.COORDINATOR_NOT_AVAILABLE;
  const isMember = claim.generationId >= 0 || claim.memberId !== '' || claim.groupInstanceId !== null;
  if (!isMember || (claim.generationId < 0 && group.is('Empty'))) return undefined;
  const problem = memberProblem(group, claim.memberId, claim.groupInstanceId);
  if (problem) return problem;
  return claim.generationId === group.generation ? undefined : KafkaErrors.ILLEGAL_GENERATION;
}
