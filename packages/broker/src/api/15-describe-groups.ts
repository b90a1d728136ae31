// 15 DescribeGroups. v3 authorized operations · v4 static members · v5 flexible · v6 error for unknown groups.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { Group } from '../groups/group.ts';
import { NO_BYTES } from '../groups/member.ts';
import { once } from './answers.ts';
import { GROUP_OPERATIONS, NOT_ASKED } from './cluster-answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const describeGroups: RegisteredApi = defineApi({
  key: API.DescribeGroups,
  versions: [0, 6],
  handle: (request, { broker, apiVersion }) => {
    const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : NOT_ASKED;
    return {
      groups: request.groups.map(
        once((groupId: string) => {
          const group = broker.groups.group(groupId);
          if (group) return { ...describe(group), authorizedOperations };
          const unknown = { errorCode: 0, errorMessage: null, groupId, groupState: 'Dead' };
          if (apiVersion < 6) return { ...unknown, authorizedOperations };
          const errorMessage = `Group ${groupId} not found.`;
          return {
            ...unknown,
            errorCode: KafkaErrors.GROUP_ID_NOT_FOUND.code,
            errorMessage,
            authorizedOperations,
          };
        }),
      ),
    };
  },
});

function describe(group: Group): object {
  const isStable = group.is('Stable');
  return {
    errorCode: 0,
    errorMessage: null,
    groupId: group.id,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.identity.clientId,
      clientHost: member.identity.clientHost,
      memberMetadata: isStable ? member.metadataFor(group.protocolName) : NO_BYTES,
      memberAssignment: member.assignment,
    })),
  };
}
