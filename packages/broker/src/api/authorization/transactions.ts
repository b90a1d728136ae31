// Rules of the APIs of idempotent and transactional producers.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { CLUSTER_NAME, Operation, Resource } from '../../security/acl.ts';
import {
  type Body,
  CLUSTER_REFUSED,
  changing,
  GRANTED,
  GROUP_REFUSED,
  part,
  type Rule,
  rule,
  ruleFor,
  TOPIC_REFUSED,
  TRANSACTION_REFUSED,
  without,
} from './rule.ts';

interface WriteTxnMarkersRequest {
  readonly markers: readonly {
    readonly producerId: unknown;
    readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
  }[];
}

const errorCode: number = TRANSACTION_REFUSED.code;
const NO_ID = { producerId: -1, producerEpoch: -1 } as const;

export const transactionRules: readonly [number, Rule][] = [
  rule(API.InitProducerId, ({ transactionalId }, _, access) => {
    if (transactionalId !== null) {
      const granted = access.transactionalId(Operation.write, transactionalId);
      return granted ? GRANTED : { answer: { errorCode, ...NO_ID } };
    }
    // Who may write to any topic may do so idempotently (KIP-679).
    const granted =
      access.mayWithAny(Operation.write, Resource.topic) || access.cluster(Operation.idempotentWrite);
    return granted ? GRANTED : { answer: { errorCode: CLUSTER_REFUSED.code, ...NO_ID } };
  }),

  rule(API.AddPartitionsToTxn, (request, { apiVersion }, access) => {
    if (apiVersion >= 4) {
      // The form in which brokers ask one another.
      const granted = access.cluster(Operation.clusterAction);
      return granted ? GRANTED : { answer: { errorCode: CLUSTER_REFUSED.code, resultsByTransaction: [] } };
    }
    const topics = request.v3AndBelowTopics;
    const answer = (codeOf: (topic: string) => number): Body => ({
      resultsByTopicV3AndBelow: topics.map(({ name, partitions }) => ({
        name,
        resultsByPartition: partitions.map((partitionIndex) => ({
          partitionIndex,
          partitionErrorCode: codeOf(name),
        })),
      })),
    });
    if (!access.transactionalId(Operation.write, request.v3AndBelowTransactionalId)) {
      return { answer: answer(() => errorCode) };
    }
    const refused = new Set(
      part(topics, ({ name }) => access.topic(Operation.write, name)).refused.map(({ name }) => name),
    );
    if (refused.size === 0) return GRANTED;
    // All or none: one that is refused keeps the others out.
    return {
      answer: answer(
        (name) => (refused.has(name) ? TOPIC_REFUSED : KafkaErrors.OPERATION_NOT_ATTEMPTED).code,
      ),
    };
  }),

  rule(API.AddOffsetsToTxn, ({ transactionalId, groupId }, _, access) => {
    if (!access.transactionalId(Operation.write, transactionalId)) return { answer: { errorCode } };
    if (!access.group(Operation.read, groupId)) return { answer: { errorCode: GROUP_REFUSED.code } };
    return GRANTED;
  }),

  rule(API.EndTxn, ({ transactionalId }, _, access) =>
    access.transactionalId(Operation.write, transactionalId) ? GRANTED : { answer: { errorCode, ...NO_ID } },
  ),

  ruleFor<WriteTxnMarkersRequest>(API.WriteTxnMarkers, ({ markers }, _, access) => {
    // Brokers have the one right, who aborts a hanging transaction by hand the other (KIP-664).
    if (access.sees(Operation.alter, Resource.cluster, CLUSTER_NAME)) return GRANTED;
    if (access.cluster(Operation.clusterAction)) return GRANTED;
    const refusals = markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: CLUSTER_REFUSED.code,
        })),
      })),
    }));
    return { answer: { markers: refusals } };
  }),

  rule(API.TxnOffsetCommit, (request, _, access) => {
    const refuse = (topics: typeof request.topics, code: number): object[] =>
      topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
      }));
    if (!access.transactionalId(Operation.write, request.transactionalId)) {
      return { answer: { topics: refuse(request.topics, errorCode) } };
    }
    if (!access.group(Operation.read, request.groupId)) {
      return { answer: { topics: refuse(request.topics, GROUP_REFUSED.code) } };
    }
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.read, name));
    return without({ ...request, topics: kept }, 'topics', refuse(refused, TOPIC_REFUSED.code));
  }),

  ruleFor<{ readonly transactionalIds: readonly string[] }>(
    API.DescribeTransactions,
    (request, _, access) => {
      const { kept, refused } = part(request.transactionalIds, (id) =>
        access.transactionalId(Operation.describe, id),
      );
      const seen = (state: Body): Body => ({
        ...state,
        topics: ((state['topics'] ?? []) as Body[]).filter(({ topic }) =>
          access.sees(Operation.describe, Resource.topic, String(topic)),
        ),
      });
      return {
        request: { ...request, transactionalIds: kept },
        complete: (answer) =>
          changing(answer, 'transactionStates', (states) => [
            ...states.map(seen),
            ...refused.map((transactionalId) => ({ errorCode, transactionalId })),
          ]),
      };
    },
  ),

  ruleFor<object>(API.ListTransactions, (_, __, access) => ({
    complete: (answer) =>
      changing(answer, 'transactionStates', (states) =>
        states.filter(({ transactionalId }) =>
          access.sees(Operation.describe, Resource.transactionalId, String(transactionalId)),
        ),
      ),
  })),
];
