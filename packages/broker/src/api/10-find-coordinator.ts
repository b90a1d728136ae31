// 10 FindCoordinator. This broker coordinates every group and every transaction. v1 key types · v3 flexible · v4 many keys at once.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinator: RegisteredApi = defineApi({
  key: API.FindCoordinator,
  versions: [0, 6],
  handle: async (request, { broker, apiVersion, listener }) => {
    const error = await coordinatorProblem(request.keyType, broker);
    const here = { nodeId: broker.nodeId, ...broker.advertised(listener), errorCode: 0 };
    const found = error ? { nodeId: -1, host: '', port: -1, errorCode: error.code } : here;
    if (apiVersion >= 4) {
      const errorMessage = error?.message ?? '';
      return { coordinators: request.coordinatorKeys.map((key) => ({ key, ...found, errorMessage })) };
    }
    return { ...found, errorMessage: error?.message ?? 'NONE' };
  },
});

async function coordinatorProblem(keyType: number, broker: BrokerState): Promise<ErrorAnswer | undefined> {
  if (keyType !== GROUP && keyType !== TRANSACTION) return KafkaErrors.INVALID_REQUEST;
  try {
    // The topic that holds the coordinator's state is made when the first client asks for it.
    await (keyType === GROUP ? broker.groups.offsetsTopic() : broker.transactions.stateTopic());
    return undefined;
  } catch (error) {
    return coordinatorFailure(broker, error);
  }
}
