// Pieces of answers that several APIs share.
import { toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import { isNoSpace } from '../disk.ts';
import { KafkaFailure } from '../errors.ts';
import { ResourceType } from '../metadata/config-resources.ts';

/** Works each answer out once, for a request that asks the same thing over and over: a name takes a byte, its answer
 * maybe megabytes. INV-5 */
export function once<K, A>(answer: (key: K) => A): (key: K) => A {
  const given = new Map<K, A>();
  return (key) => {
    if (!given.has(key)) given.set(key, answer(key));
    return given.get(key) as A;
  };
}

/** What a client is told when the disk refused a change of metadata. */
export function storageFailure(broker: BrokerState, error: unknown): KafkaFailure {
  if (error instanceof KafkaFailure) return error;
  broker.logger.error({ err: toError(error) }, 'a change of topics or configs could not be stored');
  return new KafkaFailure(
    KafkaErrors.KAFKA_STORAGE_ERROR,
    isNoSpace(error) ? 'The disk is full.' : undefined,
  );
}

/** What a client is told when groups, offsets or transactions could not be stored: ask again. */
export function coordinatorFailure(broker: BrokerState, error: unknown): ErrorAnswer {
  broker.logger.error(
    { err: toError(error) },
    'a change of groups, offsets or transactions could not be stored',
  );
  return KafkaErrors.COORDINATOR_NOT_AVAILABLE;
}

/** What a producer is told when its transaction could not go on; a failing disk is a reason to ask again. */
export function transactionFailure(broker: BrokerState, error: unknown): ErrorAnswer {
  const isOurs = error instanceof KafkaFailure && !STORAGE_CODES.has(error.errorCode);
  return isOurs ? { code: error.errorCode, message: error.message } : coordinatorFailure(broker, error);
}

const STORAGE_CODES: ReadonlySet<number> = new Set([
  KafkaErrors.KAFKA_STORAGE_ERROR.code,
  KafkaErrors.NOT_LEADER_OR_FOLLOWER.code,
]);

/** Clients below a version know a fenced producer by the error that Produce has for it. */
export function fencedBefore(version: number, apiVersion: number, error: ErrorAnswer): ErrorAnswer {
  const isOld = apiVersion < version && error.code === KafkaErrors.PRODUCER_FENCED.code;
  return isOld ? KafkaErrors.INVALID_PRODUCER_EPOCH : error;
}

interface AlteredResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** Changes the configs of several resources, each of which succeeds or fails alone. */
export async function answerAlterations<R extends AlteredResource>(
  broker: BrokerState,
  resources: readonly R[],
  alter: (resource: R) => Promise<void>,
): Promise<{ responses: object[] }> {
  const responses = [];
  for (const resource of resources) {
    const { resourceType, resourceName } = resource;
    try {
      if (resourceType !== ResourceType.topic && resourceType !== ResourceType.broker) {
        throw new KafkaFailure(
          KafkaErrors.INVALID_REQUEST,
          `Configs of type ${resourceType} cannot be changed.`,
        );
      }
      await alter(resource);
      responses.push({ errorCode: 0, errorMessage: null, resourceType, resourceName });
    } catch (error) {
      const { errorCode, message } = storageFailure(broker, error);
      responses.push({
        errorCode,
        errorMessage: message === '' ? null : message,
        resourceType,
        resourceName,
      });
    }
  }
  return { responses };
}
