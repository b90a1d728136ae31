// 25 AddOffsetsToTxn. Makes the committed offsets of a group part of a transaction. Producers of KIP-890 do without:
// their TxnOffsetCommit adds.
//   v2 fenced producers get an error of their own · v3 flexible
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { fencedBefore, transactionFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const addOffsetsToTxn: RegisteredApi = defineApi({
  key: API.AddOffsetsToTxn,
  versions: [0, 4],
  handle: async (request, { broker, apiVersion }) => {
    const { transactionalId, producerEpoch, groupId } = request;
    if (transactionalId === '') return { errorCode: KafkaErrors.INVALID_REQUEST.code };
    if (groupId === '') return { errorCode: KafkaErrors.INVALID_GROUP_ID.code };
    const identity = { producerId: Number(request.producerId), producerEpoch };
    try {
      await broker.transactions.addOffsets(transactionalId, identity, groupId, 0);
      return { errorCode: 0 };
    } catch (error) {
      return { errorCode: fencedBefore(2, apiVersion, transactionFailure(broker, error)).code };
    }
  },
});
