// What a broker's error code in a Produce response means for a batch. A table, so that each decision can be read.
import { type API, KafkaErrors, type ResponseBody } from '@millrace/kafka-protocol';
import { brokerError, type KafkaClientCode } from './errors.ts';
import type { Outcome } from './partition-queue.ts';
import type { ProducerBatch } from './producer-batch.ts';

/** One partition's part of a Produce response. */
export interface PartitionAnswer {
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly logStartOffset: number;
  readonly errorMessage: string | null;
}

type ProduceResponse = ResponseBody<typeof API.Produce>;

const UNANSWERED: PartitionAnswer = {
  errorCode: KafkaErrors.NETWORK_EXCEPTION.code,
  baseOffset: -1,
  logStartOffset: -1,
  errorMessage: 'the answer does not mention the partition',
};

type Treatment =
  | 'acked'
  | 'retry'
  | 'retrySoon'
  | 'retryFewTimes'
  | 'outOfOrder'
  | 'forgotten'
  | 'newEpoch'
  | 'tooLarge';

const E = KafkaErrors;
const TREATMENTS: ReadonlyMap<number, Treatment> = new Map<number, Treatment>([
  [E.NONE.code, 'acked'],
  [E.DUPLICATE_SEQUENCE_NUMBER.code, 'acked'],
  [E.UNKNOWN_TOPIC_OR_PARTITION.code, 'retry'],
  [E.LEADER_NOT_AVAILABLE.code, 'retry'],
  [E.NOT_LEADER_OR_FOLLOWER.code, 'retry'],
  [E.REQUEST_TIMED_OUT.code, 'retry'],
  [E.REPLICA_NOT_AVAILABLE.code, 'retry'],
  [E.NETWORK_EXCEPTION.code, 'retry'],
  [E.NOT_ENOUGH_REPLICAS.code, 'retry'],
  [E.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code, 'retry'],
  [E.KAFKA_STORAGE_ERROR.code, 'retry'],
  [E.FENCED_LEADER_EPOCH.code, 'retry'],
  [E.UNKNOWN_LEADER_EPOCH.code, 'retry'],
  [E.THROTTLING_QUOTA_EXCEEDED.code, 'retry'],
  [E.UNKNOWN_TOPIC_ID.code, 'retry'],
  // The producer's transaction before this one is being finished (KIP-890).
  [E.CONCURRENT_TRANSACTIONS.code, 'retrySoon'],
  // Bytes can break on the way; bytes that are always broken are refused in the end.
  [E.CORRUPT_MESSAGE.code, 'retryFewTimes'],
  [E.UNKNOWN_SERVER_ERROR.code, 'retryFewTimes'],
  [E.OUT_OF_ORDER_SEQUENCE_NUMBER.code, 'outOfOrder'],
  [E.UNKNOWN_PRODUCER_ID.code, 'forgotten'],
  [E.INVALID_PRODUCER_EPOCH.code, 'newEpoch'],
  [E.MESSAGE_TOO_LARGE.code, 'tooLarge'],
  [E.RECORD_LIST_TOO_LARGE.code, 'tooLarge'],
]);

const FEW_ATTEMPTS = 4;
const SOON_MS = 5;
/** Codes after which the client's idea of who leads a partition is doubtful. */
const STALE_METADATA = new Set<number>([
  E.UNKNOWN_TOPIC_OR_PARTITION.code,
  E.LEADER_NOT_AVAILABLE.code,
  E.NOT_LEADER_OR_FOLLOWER.code,
  E.KAFKA_STORAGE_ERROR.code,
  E.FENCED_LEADER_EPOCH.code,
  E.UNKNOWN_LEADER_EPOCH.code,
  E.UNKNOWN_TOPIC_ID.code,
]);

/** What a response says of each partition that the request had. */
export function answersOf({
  responses,
}: ProduceResponse): (place: { topic: string; partition: number }) => PartitionAnswer {
  const answers = new Map<string, PartitionAnswer>();
  for (const { name, partitionResponses } of responses) {
    for (const part of partitionResponses) {
      answers.set(`${name}-${part.index}`, {
        errorCode: part.errorCode,
        baseOffset: Number(part.baseOffset),
        logStartOffset: Number(part.logStartOffset),
        // What is wrong with one record says more than that one is wrong.
        errorMessage: part.recordErrors[0]?.batchIndexErrorMessage ?? part.errorMessage,
      });
    }
  }
  return ({ topic, partition }) => answers.get(`${topic}-${partition}`) ?? UNANSWERED;
}

/** Whether every batch of a request is in its log. */
export function isStored({ responses }: ProduceResponse): boolean {
  return responses.every(({ partitionResponses }) =>
    partitionResponses.every(({ errorCode }) => errorCode === E.NONE.code),
  );
}

export function needsRefresh(errorCode: number): boolean {
  return STALE_METADATA.has(errorCode);
}

/** Decides about one batch. `lastAckedOffset` is that of its partition, -1 for none. */
export function outcomeOf(
  answer: PartitionAnswer,
  batch: ProducerBatch,
  place: { topic: string; partition: number; lastAckedOffset: number },
): Outcome {
  const { topic, partition } = place;
  const doing = `Writing to ${topic}-${partition}`;
  const context = { topic, partition, records: batch.count, bytes: batch.sizeInBytes };
  const treatment = TREATMENTS.get(answer.errorCode);
  const gone = (): Outcome => ({
    kind: 'outOfOrder',
    error: brokerError(answer.errorCode, doing, {
      code: 'kafka.acknowledged_data_lost',
      detail: 'The broker no longer has records that it had acknowledged',
      context,
    }),
  });
  switch (treatment) {
    case 'acked':
    case 'retry':
    case 'newEpoch':
      return { kind: treatment };
    case 'retrySoon':
      return { kind: 'retry', firstWaitMs: SOON_MS };
    case 'retryFewTimes':
      if (batch.attempts < FEW_ATTEMPTS) return { kind: 'retry' };
      break;
    case 'outOfOrder':
      return gone();
    case 'forgotten': {
      // Retention may delete all of a producer's records, and then what the broker knew of it: nothing is lost.
      const expired = place.lastAckedOffset < 0 || answer.logStartOffset > place.lastAckedOffset;
      return expired ? { kind: 'newEpoch' } : gone();
    }
    case 'tooLarge': {
      const options = { code: 'kafka.record_too_large' as const, detail: answer.errorMessage, context };
      return { kind: 'tooLarge', error: brokerError(answer.errorCode, doing, options) };
    }
    case undefined:
      break;
    default:
      treatment satisfies never;
  }
  const code = REFUSALS.get(answer.errorCode) ?? (treatment ? 'kafka.record_refused' : 'kafka.refused');
  return {
    kind: 'refused',
    error: brokerError(answer.errorCode, doing, { code, detail: answer.errorMessage, context }),
  };
}

const REFUSALS: ReadonlyMap<number, KafkaClientCode> = new Map<number, KafkaClientCode>([
  [E.INVALID_RECORD.code, 'kafka.record_refused'],
  [E.INVALID_TIMESTAMP.code, 'kafka.timestamp_refused'],
]);
