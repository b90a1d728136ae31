// 12 Heartbeat. v3 static members · v4 flexible.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { heartbeat as beat } from '../groups/group-requests.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const heartbeat: RegisteredApi = defineApi({
  key: API.Heartbeat,
  versions: [0, 4],
  handle: (request, { broker }) => {
    const group = broker.groups.group(request.groupId);
    return { errorCode: (group ? beat(group, request) : KafkaErrors.UNKNOWN_MEMBER_ID).code };
  },
});
