// 10 FindCoordinator. This broker coordinates every group. v1 key types · v3 flexible · v4 many keys at once.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { defineApi, type RegisteredApi } from './definition.ts';

const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinator: RegisteredApi = defineApi({
  key: API.FindCoordinator,
  versions: [0, 6],
  handle: async (request, { broker, apiVersion, listener }) => {
    const { keyType } = request;
    // The topic that holds offsets is made when the first client asks for it.
    if (keyType === GROUP) await broker.groups.offsetsTopic();
    const known = keyType === GROUP || keyType === TRANSACTION;
    const here = { nodeId: broker.nodeId, ...broker.advertised(listener), errorCode: 0 };
    const nowhere = { nodeId: -1, host: '', port: -1, errorCode: KafkaErrors.INVALID_REQUEST.code };
    const found = known ? here : nowhere;
    if (apiVersion >= 4) {
      return { coordinators: request.coordinatorKeys.map((key) => ({ key, ...found, errorMessage: '' })) };
    }
    return { ...found, errorMessage: known ? 'NONE' : KafkaErrors.INVALID_REQUEST.message };
  },
});
