// 28 TxnOffsetCommit. Stores offsets of a group as part of a transaction: they count once that is committed, and until
// then OffsetFetch with requireStable says that they may change. Answered once durable.
//   v2 leader epoch · v3 flexible, members of groups · v5 adds the group to the transaction itself (KIP-890)
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { transactionalCommitProblem } from '../groups/group-requests.ts';
import type { OffsetRecord } from '../groups/records.ts';
import { OFFSETS_TOPIC } from '../metadata/topics.ts';
import { transactionFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';
import { offsetAnswers, offsetProblem, offsetRecord } from './offset-commits.ts';

type TxnOffsetCommitRequest = RequestBody<typeof API.TxnOffsetCommit>;
type AskedPartition = TxnOffsetCommitRequest['topics'][number]['partitions'][number];

export const txnOffsetCommit: RegisteredApi = defineApi({
  key: API.TxnOffsetCommit,
  versions: [0, 5],
  handle: async (request, { broker, apiVersion }) => {
    if (request.transactionalId === '') return answer(request, () => KafkaErrors.INVALID_REQUEST);
    if (request.groupId === '') return answer(request, () => KafkaErrors.INVALID_GROUP_ID);
    const maxMetadata = broker.config.number('offset.metadata.max.bytes');
    const errors = new Map<AskedPartition, ErrorAnswer>();
    const records: OffsetRecord[] = [];
    for (const { name, partitions } of request.topics) {
      const topic = broker.topics.get(name);
      for (const asked of partitions) {
        const error = offsetProblem(topic, asked, maxMetadata);
        if (error) errors.set(asked, error);
        else if (topic) records.push(offsetRecord(request.groupId, topic, asked, broker.clock.nowMs()));
      }
    }
    if (records.length === 0) return answer(request, (partition) => errors.get(partition));
    const failure = await commit(request, records, broker, apiVersion);
    return answer(request, (partition) => errors.get(partition) ?? failure);
  },
});

async function commit(
  request: TxnOffsetCommitRequest,
  records: readonly OffsetRecord[],
  broker: BrokerState,
  apiVersion: number,
): Promise<ErrorAnswer | undefined> {
  const { groups } = broker;
  const identity = { producerId: Number(request.producerId), producerEpoch: request.producerEpoch };
  try {
    await groups.offsetsTopic();
    const problem = await admit(request, identity, broker, apiVersion);
    // A fenced producer is told so as by Produce.
    if (problem)
      return problem === KafkaErrors.PRODUCER_FENCED ? KafkaErrors.INVALID_PRODUCER_EPOCH : problem;
    // From the check on nothing may come in between: a marker would leave these offsets to the next transaction.
    const memberProblem = groupProblem(request, broker);
    if (memberProblem) return memberProblem;
    await groups.commitInTransaction(request.groupId, identity, records);
    return undefined;
  } catch (error) {
    return transactionFailure(broker, error);
  }
}

async function admit(
  request: TxnOffsetCommitRequest,
  identity: { readonly producerId: number; readonly producerEpoch: number },
  broker: BrokerState,
  apiVersion: number,
): Promise<ErrorAnswer | undefined> {
  const { groups, transactions } = broker;
  const { transactionalId, groupId } = request;
  if (groups.hasOpenTransaction(groupId, identity)) return undefined;
  if (apiVersion < 5) {
    const partition = [OFFSETS_TOPIC, groups.partitionOf(groupId)] as const;
    await transactions.whenFinished(transactionalId);
    return transactions.verify(transactionalId, identity, partition, KafkaErrors.INVALID_TXN_STATE);
  }
  try {
    await transactions.addOffsets(transactionalId, identity, groupId, 2);
    return undefined;
  } catch (error) {
    const failure = transactionFailure(broker, error);
    return failure.code === KafkaErrors.PRODUCER_FENCED.code ? KafkaErrors.PRODUCER_FENCED : failure;
  }
}

function groupProblem(request: TxnOffsetCommitRequest, broker: BrokerState): ErrorAnswer | undefined {
  const { groupId, memberId, groupInstanceId, generationId } = request;
  const group = broker.groups.group(groupId);
  if (group) return transactionalCommitProblem(group, { memberId, groupInstanceId, generationId });
  return generationId < 0 ? undefined : KafkaErrors.ILLEGAL_GENERATION;
}

function answer(
  request: TxnOffsetCommitRequest,
  errorOf: (partition: AskedPartition) => ErrorAnswer | undefined,
): { topics: object[] } {
  return {
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: offsetAnswers(partitions, errorOf),
    })),
  };
}
