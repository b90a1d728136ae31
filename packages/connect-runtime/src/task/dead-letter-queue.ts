// The dead letter queue of a sink: records that failed, byte by byte as they were consumed, with headers that say
// where and why.
import type { Logger } from '@millrace/foundation';
import type { Admin, BatchProducer } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import { contextHeaders, type Failure, type FailureReporter } from './error-handling.ts';
import type { TaskSpec } from './task-runner.ts';

/** The DLQ's topic, or undefined when the config names none. */
export function deadLetterTopic(spec: TaskSpec): string | undefined {
  const topic = spec.connectorConfig['errors.deadletterqueue.topic.name']?.trim();
  return topic === undefined || topic === '' ? undefined : topic;
}

/**
 * Creates the topic where needed and gives the reporter that writes to it.
 * @throws connect.dead_letter_queue
 */
export async function openDeadLetterQueue(
  spec: TaskSpec,
  topic: string,
  parts: { readonly admin: Admin; readonly producer: BatchProducer; readonly logger: Logger },
): Promise<FailureReporter> {
  const config = spec.connectorConfig;
  const replicationFactor = Number(config['errors.deadletterqueue.topic.replication.factor'] ?? 3);
  const withContext =
    config['errors.deadletterqueue.context.headers.enable']?.trim().toLowerCase() === 'true';
  try {
    if ((await parts.admin.listTopics([topic])).length === 0) {
      await parts.admin.createTopics([{ name: topic, partitions: 1, replicationFactor }]);
    }
  } catch (error) {
    throw connectError(
      'connect.dead_letter_queue',
      `Could not initialize dead letter queue with topic=${topic}`,
      {
        cause: error,
      },
    );
  }
  return async (failure: Failure) => {
    const { consumed } = failure;
    if (!consumed) return;
    const context = withContext
      ? contextHeaders(failure, { connectorName: spec.connector, taskId: spec.task })
      : [];
    await parts.producer.send({
      topic,
      key: consumed.key,
      value: consumed.value,
      headers: [...consumed.headers, ...context],
      ...(consumed.timestamp >= 0 ? { timestamp: consumed.timestamp } : {}),
    });
  };
}
