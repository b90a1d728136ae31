// 26 EndTxn. Answered once the decision is durable; the markers follow, and further requests of the transactional id
// wait for them.
//   v2 fenced producers get an error of their own · v3 flexible · v5 each transaction ends with a new epoch (KIP-890)
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { fencedBefore, transactionFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const NO_ID = { producerId: -1, producerEpoch: -1 } as const;

export const endTxn: RegisteredApi = defineApi({
  key: API.EndTxn,
  versions: [0, 5],
  handle: async (request, { broker, apiVersion }) => {
    const { transactionalId, producerEpoch, committed: commit } = request;
    if (transactionalId === '') return { errorCode: KafkaErrors.INVALID_REQUEST.code, ...NO_ID };
    const identity = { producerId: Number(request.producerId), producerEpoch };
    const clientVersion = apiVersion >= 5 ? 2 : 0;
    try {
      const next = await broker.transactions.end(transactionalId, identity, { commit, clientVersion });
      return { errorCode: 0, ...next };
    } catch (error) {
      const failure = fencedBefore(2, apiVersion, transactionFailure(broker, error));
      return { errorCode: failure.code, ...NO_ID };
    }
  },
});
