// Rules of the APIs that name topics one by one: each is refused alone.
import { API, BATCH_TRANSACTIONAL, type RequestBody } from '@millrace/kafka-protocol';
import { ZERO_UUID } from '../../metadata/topics.ts';
import { CLUSTER_NAME, Operation, Resource } from '../../security/acl.ts';
import { CLOSE } from '../definition.ts';
import {
  adding,
  type Body,
  changing,
  GRANTED,
  nameOfId,
  namesById,
  part,
  type Rule,
  rule,
  ruleFor,
  TOPIC_REFUSED,
  TRANSACTION_REFUSED,
  without,
} from './rule.ts';

type ProduceRequest = RequestBody<typeof API.Produce>;
/** Where a batch has its attributes. */
const ATTRIBUTES_AT = 21;

const errorCode: number = TOPIC_REFUSED.code;

export const topicRules: readonly [number, Rule][] = [
  rule(API.Produce, (request, context, access) => {
    const { transactionalId, topicData } = request;
    if (isTransactional(request) && transactionalId !== null) {
      if (!access.transactionalId(Operation.write, transactionalId)) {
        const answer = { responses: topicData.map((topic) => refusedTopic(topic, TRANSACTION_REFUSED.code)) };
        return { answer, ...(request.acks === 0 ? { complete: () => CLOSE } : {}) };
      }
    }
    const byId = namesById(context, API.Produce);
    const { kept, refused } = part(topicData, (topic) => {
      const name = byId ? nameOfId(topic.topicId, context) : topic.name;
      return name === undefined || access.topic(Operation.write, name);
    });
    if (refused.length === 0) return GRANTED;
    const refusals = refused.map((topic) => refusedTopic(topic, errorCode));
    return {
      request: { ...request, topicData: kept },
      // Without an answer the end of the connection is the only way to tell.
      complete: (answer) => (request.acks === 0 ? CLOSE : adding(answer, 'responses', refusals)),
    };
  }),

  rule(API.ListOffsets, (request, _, access) => {
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.describe, name));
    const refusals = refused.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode,
        timestamp: -1,
        offset: -1,
        leaderEpoch: -1,
      })),
    }));
    return without({ ...request, topics: kept }, 'topics', refusals);
  }),

  rule(API.OffsetForLeaderEpoch, (request, _, access) => {
    const { kept, refused } = part(request.topics, ({ topic }) => access.topic(Operation.describe, topic));
    const refusals = refused.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({
        errorCode,
        partition,
        leaderEpoch: -1,
        endOffset: -1,
      })),
    }));
    return without({ ...request, topics: kept }, 'topics', refusals);
  }),

  rule(API.DeleteRecords, (request, _, access) => {
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.delete, name));
    const refusals = refused.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: -1, errorCode })),
    }));
    return without({ ...request, topics: kept }, 'topics', refusals);
  }),

  rule(API.CreateTopics, (request, _, access) => {
    const everywhere = access.sees(Operation.create, Resource.cluster, CLUSTER_NAME);
    const { kept, refused } = part(
      request.topics,
      ({ name }) => everywhere || access.topic(Operation.create, name),
    );
    const refusals = refused.map(({ name }) => ({
      name,
      topicId: ZERO_UUID,
      errorCode,
      errorMessage: 'Authorization failed.',
      configs: [],
    }));
    return {
      request: { ...request, topics: kept },
      complete: (answer) =>
        adding(
          changing(answer, 'topics', (topics) => topics.map((topic) => hidingConfigs(topic, access))),
          'topics',
          refusals,
        ),
    };
  }),

  rule(API.DeleteTopics, (request, context, access) => {
    const refuse = (name: string | null, topicId: string): object => ({
      name,
      topicId,
      errorCode,
      errorMessage: TOPIC_REFUSED.message,
    });
    if (context.apiVersion < 6) {
      const { kept, refused } = part(request.topicNames, (name) => access.topic(Operation.delete, name));
      const refusals = refused.map((name) => refuse(name, ZERO_UUID));
      return without({ ...request, topicNames: kept }, 'responses', refusals);
    }
    const { kept, refused } = part(request.topics, ({ name, topicId }) => {
      const known = name ?? nameOfId(topicId, context);
      return known === undefined || access.topic(Operation.delete, known);
    });
    const refusals = refused.map(({ name, topicId }) => {
      const known = nameOfId(topicId, context);
      // Who may not even describe it is not told which topic has this id.
      const shown = known !== undefined && access.topic(Operation.describe, known) ? known : null;
      return refuse(name ?? shown, topicId);
    });
    return without({ ...request, topics: kept }, 'responses', refusals);
  }),

  rule(API.CreatePartitions, (request, _, access) => {
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.alter, name));
    const refusals = refused.map(({ name }) => ({ name, errorCode, errorMessage: TOPIC_REFUSED.message }));
    return without({ ...request, topics: kept }, 'results', refusals);
  }),

  ruleFor<{
    readonly topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[];
  }>(API.DescribeProducers, (request, _, access) => {
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.read, name));
    const refusals = refused.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => ({
        partitionIndex,
        errorCode,
        errorMessage: TOPIC_REFUSED.message,
        activeProducers: [],
      })),
    }));
    return without({ ...request, topics: kept }, 'topics', refusals);
  }),
];

function isTransactional({ topicData }: ProduceRequest): boolean {
  return topicData.some(({ partitionData }) =>
    partitionData.some(({ records }) => {
      if (records === null || records.length < ATTRIBUTES_AT + 2) return false;
      return (records.readInt16BE(ATTRIBUTES_AT) & BATCH_TRANSACTIONAL) !== 0;
    }),
  );
}

function refusedTopic(
  { name, topicId, partitionData }: ProduceRequest['topicData'][number],
  code: number,
): object {
  return {
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => ({
      index,
      errorCode: code,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: -1,
    })),
  };
}

/** Who may not describe configs is not told those of the topic he made. */
function hidingConfigs(
  topic: Body,
  access: { sees(operation: number, type: number, name: string): boolean },
): Body {
  const name = String(topic['name']);
  if (topic['errorCode'] !== 0 || access.sees(Operation.describeConfigs, Resource.topic, name)) return topic;
  const { topicId } = topic;
  return { name, topicId, errorCode: 0, errorMessage: null, topicConfigErrorCode: errorCode, configs: [] };
}
