// 42 DeleteGroups. Only empty groups, with their offsets. v2 flexible.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const deleteGroups: RegisteredApi = defineApi({
  key: API.DeleteGroups,
  versions: [0, 2],
  handle: async (request, { broker }) => {
    const results = [];
    for (const groupId of request.groupsNames) {
      results.push({ groupId, errorCode: await remove(broker, groupId) });
    }
    return { results };
  },
});

async function remove(broker: BrokerState, groupId: string): Promise<number> {
  const group = broker.groups.group(groupId);
  if (!group || group.is('Dead')) return KafkaErrors.GROUP_ID_NOT_FOUND.code;
  if (!group.is('Empty')) return KafkaErrors.NON_EMPTY_GROUP.code;
  try {
    await broker.groups.delete(group);
    return 0;
  } catch (error) {
    return coordinatorFailure(broker, error).code;
  }
}
