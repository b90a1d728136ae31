// 22 InitProducerId, for idempotent producers without a transactional id. v2 flexible · v3 epoch bump (KIP-360).
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { coordinatorFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const NO_ID = { producerId: -1, producerEpoch: -1 } as const;

export const initProducerId: RegisteredApi = defineApi({
  key: API.InitProducerId,
  versions: [0, 5],
  handle: async (request, { broker }) => {
    if (request.transactionalId === '') return { errorCode: KafkaErrors.INVALID_REQUEST.code, ...NO_ID };
    if (request.transactionalId !== null) {
      return { errorCode: KafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED.code, ...NO_ID };
    }
    try {
      return { errorCode: 0, producerId: await broker.producerIds.next(), producerEpoch: 0 };
    } catch (error) {
      return { errorCode: coordinatorFailure(broker, error).code, ...NO_ID };
    }
  },
});
