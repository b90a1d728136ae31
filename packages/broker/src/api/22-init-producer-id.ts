// 22 InitProducerId. Without a transactional id: an id of its own. With one: the id's next epoch, which fences every
// earlier producer and aborts what it left open; answered when that is done.
//   v2 flexible · v3 the producer's identity so far (KIP-360) · v4 fenced producers get an error of their own
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { ProducerIdentity } from '../transactions/transaction.ts';
import { coordinatorFailure, fencedBefore, transactionFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const NO_ID = { producerId: -1, producerEpoch: -1 } as const;

export const initProducerId: RegisteredApi = defineApi({
  key: API.InitProducerId,
  versions: [0, 5],
  handle: async (request, { broker, apiVersion }) => {
    const { transactionalId, transactionTimeoutMs } = request;
    if (transactionalId === '') return { errorCode: KafkaErrors.INVALID_REQUEST.code, ...NO_ID };
    if (transactionalId === null) {
      try {
        return { errorCode: 0, producerId: await broker.producerIds.next(), producerEpoch: 0 };
      } catch (error) {
        return { errorCode: coordinatorFailure(broker, error).code, ...NO_ID };
      }
    }
    const expected = identityOf(request);
    if (expected === 'half') return { errorCode: KafkaErrors.INVALID_REQUEST.code, ...NO_ID };
    try {
      const { transactions } = broker;
      const identity = await transactions.initProducerId(transactionalId, transactionTimeoutMs, expected);
      return { errorCode: 0, ...identity };
    } catch (error) {
      const failure = fencedBefore(4, apiVersion, transactionFailure(broker, error));
      return { errorCode: failure.code, ...NO_ID };
    }
  },
});

/** Who the client says it is; undefined for a new producer, `half` when only one part is given. */
function identityOf(request: RequestBody<typeof API.InitProducerId>): ProducerIdentity | undefined | 'half' {
  const producerId = Number(request.producerId);
  const { producerEpoch } = request;
  if (producerId === -1 && producerEpoch === -1) return undefined;
  return producerId === -1 || producerEpoch === -1 ? 'half' : { producerId, producerEpoch };
}
