// 3 Metadata. Topics, partitions and the address of the broker, as the client's listener knows it.
//   v0 empty list = all topics · v1 null = all, controller · v2 cluster id · v4 auto-creation flag · v5 offline
//   replicas · v7 leader epoch · v8 authorized operations · v9 flexible · v10 topic ids · v12 by id · v13 top-level error
// An unknown topic that may be created is answered with an error once and is there the next time, as in Kafka.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { autoCreateTopic } from '../metadata/create-topic.ts';
import { type Topic, topicNameProblem, ZERO_UUID } from '../metadata/topics.ts';
import { CLUSTER_OPERATIONS, describePartition, NOT_ASKED, TOPIC_OPERATIONS } from './cluster-answers.ts';
import { defineApi, type RegisteredApi, type RequestContext } from './definition.ts';

type MetadataRequest = RequestBody<typeof API.Metadata>;
type AskedTopic = NonNullable<MetadataRequest['topics']>[number];

interface TopicAnswer {
  readonly errorCode: number;
  readonly name: string | null;
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly object[];
  readonly topicAuthorizedOperations: number;
}

export const metadata: RegisteredApi = defineApi({
  key: API.Metadata,
  versions: [0, 13],
  handle: async (request, context) => {
    const { broker, apiVersion } = context;
    const operations = request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NOT_ASKED;
    const asked = request.topics;
    // Ids are served from v12 on; before, a null name makes the whole request invalid.
    if (apiVersion < 12 && asked?.some((entry) => entry.name === null || entry.topicId !== ZERO_UUID)) {
      const error = KafkaErrors.INVALID_REQUEST;
      return {
        brokers: [{ nodeId: broker.nodeId, ...broker.advertised(context.listener), rack: null }],
        clusterId: null,
        controllerId: -1,
        topics: asked.map(({ name, topicId }) => failed(name ?? '', error, topicId)),
      };
    }
    const wantsAll = asked === null || (apiVersion === 0 && asked.length === 0);
    const topics: TopicAnswer[] = [];
    if (wantsAll) {
      for (const topic of broker.topics.all()) topics.push(describe(topic, broker, operations));
    } else {
      const seen = new Set<string>();
      for (const entry of asked) {
        const key = `${entry.name} ${entry.topicId}`;
        if (!seen.has(key)) topics.push(await lookUp(entry, request, context, operations));
        seen.add(key);
      }
    }
    return {
      brokers: [{ nodeId: broker.nodeId, ...broker.advertised(context.listener), rack: null }],
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : NOT_ASKED,
    };
  },
});

async function lookUp(
  asked: AskedTopic,
  request: MetadataRequest,
  context: RequestContext,
  operations: number,
): Promise<TopicAnswer> {
  const { broker, apiVersion } = context;
  const { name } = asked;
  if (name === null || (apiVersion >= 12 && asked.topicId !== ZERO_UUID)) {
    const topic = broker.topics.getById(asked.topicId);
    if (topic) return describe(topic, broker, operations);
    return failed(null, KafkaErrors.UNKNOWN_TOPIC_ID, asked.topicId);
  }
  const topic = broker.topics.get(name);
  if (topic) return describe(topic, broker, operations);
  if (topicNameProblem(name) !== undefined) return failed(name, KafkaErrors.INVALID_TOPIC_EXCEPTION);
  const mayCreate = apiVersion < 4 || request.allowAutoTopicCreation;
  if (mayCreate && broker.config.boolean('auto.create.topics.enable')) await autoCreateTopic(broker, name);
  return failed(name, KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
}

function failed(name: string | null, error: ErrorAnswer, topicId: string = ZERO_UUID): TopicAnswer {
  return {
    errorCode: error.code,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  };
}

function describe(topic: Topic, broker: BrokerState, operations: number): TopicAnswer {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.map((log, index) => describePartition(broker.nodeId, log, index)),
    topicAuthorizedOperations: operations,
  };
}
