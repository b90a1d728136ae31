// The dead letter queue of a task: records that failed, with headers that say where and why. Of a sink byte by byte as
// they were consumed; of a source, which Connect has none for, as `source-letters` says.
import type { Logger } from '@millrace/foundation';
import type { Admin, BatchProducer, OutgoingRecord } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { ErrorCounts } from '../metrics/task-meters.ts';
import type { TaskConverters } from './converters.ts';
import { contextHeaders, type Failure, type FailureReporter } from './error-handling.ts';
import { letterOf } from './source-letters.ts';
import type { TaskSpec } from './task-runner.ts';

/** The DLQ's topic, or undefined when the config names none. */
export function deadLetterTopic(spec: TaskSpec): string | undefined {
  const topic = spec.connectorConfig['errors.deadletterqueue.topic.name']?.trim();
  return topic === undefined || topic === '' ? undefined : topic;
}

export interface DeadLetterParts {
  readonly admin: Admin;
  readonly producer: BatchProducer;
  readonly logger: Logger;
  /** Of a source. */
  readonly converters: TaskConverters;
  readonly counts: ErrorCounts;
}

/**
 * Creates the topic where needed and gives the reporter that writes to it.
 * @throws connect.dead_letter_queue, also from the reporter when the brokers refuse a letter
 */
export async function openDeadLetterQueue(
  spec: TaskSpec,
  topic: string,
  { admin, producer, converters, counts }: DeadLetterParts,
): Promise<FailureReporter> {
  const config = spec.connectorConfig;
  const replicationFactor = Number(config['errors.deadletterqueue.topic.replication.factor'] ?? 3);
  // Of a source the headers are the only place for the position, so they are left out only where that is asked for.
  const context = config['errors.deadletterqueue.context.headers.enable']?.trim().toLowerCase();
  const withContext = spec.kind === 'source' ? context !== 'false' : context === 'true';
  try {
    if ((await admin.listTopics([topic])).length === 0) {
      await admin.createTopics([{ name: topic, partitions: 1, replicationFactor }]);
    }
  } catch (cause) {
    throw connectError(
      'connect.dead_letter_queue',
      `Could not initialize dead letter queue with topic=${topic}`,
      { cause },
    );
  }
  return async (failure: Failure) => {
    counts.deadLetters++;
    const letter = await contentOf(failure, converters);
    if (letter === undefined) {
      counts.deadLetterFailures++;
      return;
    }
    const added = withContext
      ? contextHeaders(failure, { connectorName: spec.connector, taskId: spec.task })
      : [];
    try {
      await producer.send({ ...letter, topic, headers: [...(letter.headers ?? []), ...added] });
    } catch (cause) {
      counts.deadLetterFailures++;
      throw connectError('connect.dead_letter_queue', `Could not write to the dead letter queue ${topic}`, {
        cause,
        hint: 'Let the topic take what is refused (max.message.bytes, rights), or name another one.',
      });
    }
  };
}

async function contentOf(
  { consumed, produced }: Failure,
  converters: TaskConverters,
): Promise<Omit<OutgoingRecord, 'topic'> | undefined> {
  const timestamp = consumed?.timestamp ?? produced?.timestamp ?? -1;
  const letter = consumed ?? (produced && (await letterOf(produced, converters)));
  if (letter === undefined) return undefined;
  const { key, value, headers } = letter;
  return { key, value, headers, ...(timestamp >= 0 ? { timestamp } : {}) };
}
