// 13 LeaveGroup. v3 many members, by instance id too · v4 flexible · v5 reasons.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { leave } from '../groups/group-requests.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const leaveGroup: RegisteredApi = defineApi({
  key: API.LeaveGroup,
  versions: [0, 5],
  handle: (request, { broker, apiVersion }) => {
    const group = broker.groups.group(request.groupId);
    const codeFor = (memberId: string, instanceId: string | null): number =>
      (group ? leave(group, memberId, instanceId) : KafkaErrors.UNKNOWN_MEMBER_ID).code;
    if (apiVersion < 3) return { errorCode: codeFor(request.memberId, null) };
    return {
      errorCode: 0,
      members: request.members.map(({ memberId, groupInstanceId }) => ({
        memberId,
        groupInstanceId,
        errorCode: codeFor(memberId, groupInstanceId),
      })),
    };
  },
});
