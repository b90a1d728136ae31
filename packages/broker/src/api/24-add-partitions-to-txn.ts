// 24 AddPartitionsToTxn. Answered once the partitions are durably part of the transaction; one that is unknown keeps
// all of them out. Producers of KIP-890 do without: their Produce adds.
//   v2 fenced producers get an error of their own · v3 flexible · v4 several transactions, and `verifyOnly`, as brokers
//   ask one another (KIP-890); Kafka takes it from everybody · v5 TRANSACTION_ABORTABLE for what is missing
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import type { TopicPartition } from '../transactions/coordinator.ts';
import type { ProducerIdentity } from '../transactions/transaction.ts';
import { fencedBefore, transactionFailure } from './answers.ts';
import { defineApi, type RegisteredApi, type RequestContext } from './definition.ts';

interface Asked {
  readonly transactionalId: string;
  readonly identity: ProducerIdentity;
  readonly verifyOnly: boolean;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[];
}

export const addPartitionsToTxn: RegisteredApi = defineApi({
  key: API.AddPartitionsToTxn,
  versions: [0, 5],
  handle: async (request, context) => {
    if (context.apiVersion < 4) {
      const asked: Asked = {
        transactionalId: request.v3AndBelowTransactionalId,
        identity: {
          producerId: Number(request.v3AndBelowProducerId),
          producerEpoch: request.v3AndBelowProducerEpoch,
        },
        verifyOnly: false,
        topics: request.v3AndBelowTopics,
      };
      return { resultsByTopicV3AndBelow: await add(asked, context) };
    }
    const resultsByTransaction = [];
    for (const { transactionalId, producerId, producerEpoch, verifyOnly, topics } of request.transactions) {
      const identity = { producerId: Number(producerId), producerEpoch };
      const topicResults = await add({ transactionalId, identity, verifyOnly, topics }, context);
      resultsByTransaction.push({ transactionalId, topicResults });
    }
    return { errorCode: 0, resultsByTransaction };
  },
});

type TopicResults = {
  name: string;
  resultsByPartition: { partitionIndex: number; partitionErrorCode: number }[];
}[];

async function add(asked: Asked, { broker, apiVersion }: RequestContext): Promise<TopicResults> {
  const { transactionalId, identity, topics } = asked;
  const { transactions } = broker;
  if (transactionalId === '') return resultsOf(topics, () => KafkaErrors.INVALID_REQUEST);
  const unknown = topics.some(({ name, partitions }) => partitions.some((id) => !isKnown(broker, name, id)));
  if (unknown) {
    return resultsOf(topics, ([name, id]) =>
      isKnown(broker, name, id)
        ? KafkaErrors.OPERATION_NOT_ATTEMPTED
        : KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION,
    );
  }
  if (asked.verifyOnly) {
    const missing = apiVersion >= 5 ? KafkaErrors.TRANSACTION_ABORTABLE : KafkaErrors.INVALID_TXN_STATE;
    return resultsOf(topics, (partition) =>
      transactions.verify(transactionalId, identity, partition, missing),
    );
  }
  const partitions = topics.flatMap(({ name, partitions: ids }) =>
    ids.map((id): TopicPartition => [name, id]),
  );
  if (partitions.length === 0) return resultsOf(topics, () => undefined);
  try {
    await transactions.addPartitions(transactionalId, identity, partitions, 0);
    return resultsOf(topics, () => undefined);
  } catch (error) {
    const failure = fencedBefore(2, apiVersion, transactionFailure(broker, error));
    return resultsOf(topics, () => failure);
  }
}

function isKnown(broker: BrokerState, name: string, partition: number): boolean {
  return partition >= 0 && partition < (broker.topics.get(name)?.partitions.length ?? 0);
}

function resultsOf(
  topics: Asked['topics'],
  errorOf: (partition: TopicPartition) => ErrorAnswer | undefined,
): TopicResults {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: errorOf([name, partitionIndex])?.code ?? 0,
    })),
  }));
}
