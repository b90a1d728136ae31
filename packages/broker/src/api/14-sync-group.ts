// 14 SyncGroup. v3 static members · v4 flexible · v5 protocol type and name.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { sync } from '../groups/group-requests.ts';
import { syncFailure } from '../groups/member.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const syncGroup: RegisteredApi = defineApi({
  key: API.SyncGroup,
  versions: [0, 5],
  handle: (request, { broker }) => {
    const group = broker.groups.group(request.groupId);
    if (!group) return syncFailure(KafkaErrors.UNKNOWN_MEMBER_ID);
    const { memberId, groupInstanceId, generationId, protocolType, protocolName } = request;
    const assignments = new Map(
      request.assignments.map((given) => [given.memberId, Buffer.from(given.assignment)]),
    );
    return sync(group, { memberId, groupInstanceId, generationId, protocolType, protocolName, assignments });
  },
});
