// 65 DescribeTransactions. What the coordinator knows of transactional ids.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { once } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const describeTransactions: RegisteredApi = defineApi<number>({
  key: API.DescribeTransactions,
  versions: [0, 0],
  handle: (body, { broker }) => {
    const { transactionalIds } = body as unknown as { readonly transactionalIds: readonly string[] };
    return { transactionStates: transactionalIds.map(once((id: string) => describe(broker, id))) };
  },
});

function describe(broker: BrokerState, transactionalId: string): object {
  const txn = broker.transactions.get(transactionalId);
  if (!txn) {
    const { code } =
      transactionalId === '' ? KafkaErrors.INVALID_REQUEST : KafkaErrors.TRANSACTIONAL_ID_NOT_FOUND;
    return {
      errorCode: code,
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0,
      producerEpoch: 0,
      topics: [],
    };
  }
  const { stored } = txn;
  return {
    errorCode: 0,
    transactionalId,
    transactionState: stored.state,
    transactionTimeoutMs: stored.timeoutMs,
    transactionStartTimeMs: stored.startMs,
    producerId: stored.producerId,
    producerEpoch: stored.producerEpoch,
    topics: [...stored.partitions].map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
  };
}
