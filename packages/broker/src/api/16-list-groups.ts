// 16 ListGroups. v3 flexible · v4 states · v5 types.
import { API } from '@millrace/kafka-protocol';
import { defineApi, type RegisteredApi } from './definition.ts';

export const listGroups: RegisteredApi = defineApi({
  key: API.ListGroups,
  versions: [0, 5],
  handle: (request, { broker }) => {
    const states = new Set(request.statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(request.typesFilter.map((type) => type.toLowerCase()));
    const groups = [...broker.groups.groups()]
      .filter((group) => states.size === 0 || states.has(group.state.toLowerCase()))
      .filter(() => types.size === 0 || types.has('classic'))
      .map((group) => ({
        groupId: group.id,
        protocolType: group.protocolType ?? '',
        groupState: group.state,
        groupType: 'classic',
      }));
    return { errorCode: 0, groups };
  },
});
