// 19 CreateTopics. v4 defaults (-1) for partitions and replication · v5 answers with configs, flexible · v7 topic ids.
// A replication factor above 1 is taken as 1 unless the broker is told not to: Connect asks for 3 by default.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import { checkTopicSpec, type TopicSpec } from '../metadata/create-topic.ts';
import { topicSources } from '../metadata/topic-config.ts';
import { TOPIC_KEYS } from '../metadata/topic-keys.ts';
import { ZERO_UUID } from '../metadata/topics.ts';
import { storageFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

type CreateTopicsRequest = RequestBody<typeof API.CreateTopics>;
export const createTopics: RegisteredApi = defineApi({
  key: API.CreateTopics,
  versions: [2, 7],
  handle: async (request, { broker }) => {
    const repeated = repeatedNames(request);
    const topics = [];
    for (const name of repeated) {
      const error = new KafkaFailure(KafkaErrors.INVALID_REQUEST, `Duplicate topic name: ${name}`);
      topics.push(failed(name, error));
    }
    for (const spec of request.topics) {
      if (!repeated.has(spec.name)) topics.push(await create(spec, request.validateOnly, broker));
    }
    return { topics };
  },
});

async function create(spec: TopicSpec, validateOnly: boolean, broker: BrokerState): Promise<object> {
  try {
    const checked = checkTopicSpec(spec, broker.topics, broker.config, broker.nodeId);
    const topic = validateOnly
      ? undefined
      : await broker.topics.create(checked.name, checked.partitions, checked.configs);
    return {
      name: spec.name,
      topicId: topic?.id ?? ZERO_UUID,
      errorCode: 0,
      errorMessage: null,
      numPartitions: checked.partitions,
      replicationFactor: 1,
      configs: [...TOPIC_KEYS.values()].map((key) => {
        const inForce = topicSources(key, checked.configs, broker.config)[0];
        return {
          name: key.name,
          value: inForce?.value ?? null,
          readOnly: false,
          configSource: inForce?.source ?? -1,
          isSensitive: false,
        };
      }),
    };
  } catch (error) {
    return failed(spec.name, error instanceof KafkaFailure ? error : storageFailure(broker, error));
  }
}

function failed(name: string, error: KafkaFailure): object {
  return { name, topicId: ZERO_UUID, errorCode: error.errorCode, errorMessage: error.message, configs: [] };
}

function repeatedNames(request: CreateTopicsRequest): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name } of request.topics) {
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return repeated;
}
