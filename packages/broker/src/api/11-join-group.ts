// 11 JoinGroup. v1 rebalance timeout · v4 new members are told their id first (KIP-394) · v5 static members · v6
// flexible · v7 protocol type in the answer · v9 the leader may be told to keep the assignment (KIP-814)
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { join } from '../groups/group-requests.ts';
import { type JoinAnswer, joinFailure } from '../groups/member.ts';
import { defineApi, type RegisteredApi, type RequestContext } from './definition.ts';

type JoinGroupRequest = RequestBody<typeof API.JoinGroup>;

export const joinGroup: RegisteredApi = defineApi({
  key: API.JoinGroup,
  versions: [0, 9],
  handle: async (request, context) => {
    const answer = await answerJoin(request, context);
    // Before v7 there was no null.
    return context.apiVersion < 7 ? { ...answer, protocolName: answer.protocolName ?? '' } : answer;
  },
});

function answerJoin(request: JoinGroupRequest, context: RequestContext): JoinAnswer | Promise<JoinAnswer> {
  const { broker, apiVersion } = context;
  const { groupId, memberId, sessionTimeoutMs } = request;
  if (groupId === '') return joinFailure(memberId, KafkaErrors.INVALID_GROUP_ID);
  if (!isSessionAllowed(sessionTimeoutMs, broker))
    return joinFailure(memberId, KafkaErrors.INVALID_SESSION_TIMEOUT);
  const known = broker.groups.group(groupId);
  if (!known && memberId !== '') return joinFailure(memberId, KafkaErrors.UNKNOWN_MEMBER_ID);
  const isNewMember = !known?.members.has(memberId);
  if (known && isNewMember && known.members.size >= broker.config.number('group.max.size')) {
    return joinFailure(memberId, KafkaErrors.GROUP_MAX_SIZE_REACHED);
  }
  return join(broker.groups.ensure(groupId), {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: context.clientId,
    clientHost: context.clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs: apiVersion >= 1 ? request.rebalanceTimeoutMs : sessionTimeoutMs,
    protocolType: request.protocolType,
    // Metadata outlives the request; a slice would keep its whole frame alive.
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    requireKnownMemberId: apiVersion >= 4,
    canSkipAssignment: apiVersion >= 9,
  });
}

function isSessionAllowed(timeoutMs: number, { config }: BrokerState): boolean {
  return (
    timeoutMs >= config.number('group.min.session.timeout.ms') &&
    timeoutMs <= config.number('group.max.session.timeout.ms')
  );
}
