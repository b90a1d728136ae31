// 20 DeleteTopics. v4 flexible · v5 error messages · v6 by topic id.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { type Topic, ZERO_UUID } from '../metadata/topics.ts';
import { storageFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

type DeleteTopicsRequest = RequestBody<typeof API.DeleteTopics>;
interface Asked {
  readonly name: string | null;
  readonly topicId: string;
}

export const deleteTopics: RegisteredApi = defineApi({
  key: API.DeleteTopics,
  versions: [1, 6],
  handle: async (request, { broker, apiVersion }) => {
    const asked = askedTopics(request, apiVersion);
    const byKey = new Map<string, { entry: Asked; count: number }>();
    for (const entry of asked) {
      const known = byKey.get(keyOf(entry));
      if (known) known.count++;
      else byKey.set(keyOf(entry), { entry, count: 1 });
    }
    const responses = [];
    for (const { entry, count } of byKey.values()) {
      if (count > 1) responses.push(failed(entry, KafkaErrors.INVALID_REQUEST, 'Duplicate topic name.'));
      else responses.push(await remove(entry, broker));
    }
    return { responses };
  },
});

function askedTopics(request: DeleteTopicsRequest, apiVersion: number): readonly Asked[] {
  if (apiVersion >= 6) return request.topics;
  return request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
}

function keyOf(asked: Asked): string {
  return asked.name ?? `id ${asked.topicId}`;
}

async function remove(asked: Asked, broker: BrokerState): Promise<object> {
  const byName = asked.name !== null;
  if (byName && asked.topicId !== ZERO_UUID) {
    return failed(asked, KafkaErrors.INVALID_REQUEST, 'Topic name and ID can not both be specified.');
  }
  const topic = asked.name === null ? broker.topics.getById(asked.topicId) : broker.topics.get(asked.name);
  if (!topic)
    return failed(asked, byName ? KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION : KafkaErrors.UNKNOWN_TOPIC_ID);
  if (topic.internal && !byName) return failed(asked, KafkaErrors.TOPIC_AUTHORIZATION_FAILED);
  return removeTopic(topic, asked, broker);
}

async function removeTopic(topic: Topic, asked: Asked, broker: BrokerState): Promise<object> {
  try {
    await broker.topics.delete(topic);
    return { name: topic.name, topicId: topic.id, errorCode: 0, errorMessage: null };
  } catch (error) {
    const failure = storageFailure(broker, error);
    return failed(asked, { code: failure.errorCode, message: failure.message });
  }
}

function failed(asked: Asked, error: ErrorAnswer, message: string = error.message): object {
  return { name: asked.name, topicId: asked.topicId, errorCode: error.code, errorMessage: message };
}
