// 0 Produce. Versions 0 to 2 are advertised but not served: librdkafka turns compression off unless it sees them
// (KAFKA-18659). Batches are checked and stored as they came.
//   v3 record batches of magic 2, transactional ids · v7 zstd · v8 record errors · v9 flexible
//   v10 current leader on errors (KIP-951) · v12 implicit addition to transactions · v13 topic ids (KIP-516)
// Each partition succeeds or fails alone. acks=0 is never answered; an error under it closes the connection.
import {
  API,
  type BatchHeader,
  KafkaErrors,
  type RequestBody,
  readBatchHeader,
} from '@millrace/kafka-protocol';
import { type ErrorAnswer, partitionOf } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import { checkBatch } from '../log/batch-check.ts';
import type { Appended, PartitionLog } from '../log/partition-log.ts';
import { recompress } from '../log/recompress.ts';
import type { SharedRecords } from '../net/shared-records.ts';
import {
  type Answer,
  CLOSE,
  defineApi,
  NO_REPLY,
  type RegisteredApi,
  type RequestContext,
} from './definition.ts';
import { admit, type Refusals } from './produce-admission.ts';

type SentRequest = RequestBody<typeof API.Produce>;
type SentTopic = SentRequest['topicData'][number];
type PartitionData = SentTopic['partitionData'][number] & {
  /** The records lie in memory of another thread, without checksum. */
  readonly areShared?: boolean;
};
type TopicData = SentTopic & { partitionData: PartitionData[] };
type ProduceRequest = SentRequest & { topicData: TopicData[] };

interface PartitionAnswer {
  readonly index: number;
  readonly errorCode: number;
  readonly errorMessage?: string | null;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly recordErrors?: readonly { batchIndex: number; batchIndexErrorMessage: string | null }[];
}

export const produce: RegisteredApi = defineApi({
  key: API.Produce,
  versions: [0, 13],
  servedFrom: 3,
  pipelined: true,
  releasesFrame: true,
  handle: (sent, context) => {
    const request = withSharedRecords(sent, context.broker.sharedRecords);
    // Who sent it has died or given up meanwhile; one that still waits sends the records themselves.
    if (request === undefined) return CLOSE;
    const { acks } = request;
    if (acks < -1 || acks > 1) return refuseAll(request, KafkaErrors.INVALID_REQUIRED_ACKS);
    if (request.transactionalId === null) return settle(request, appendAll(request, context, undefined));
    // The next request of the same producer waits for this one's admission, or it would be out of sequence.
    const appended = context.broker.transactions.inOrder(request.transactionalId, () => {
      const admitted = admit(request, context);
      return admitted instanceof Promise
        ? admitted.then((refusals) => appendAll(request, context, refusals))
        : appendAll(request, context, admitted);
    });
    return appended instanceof Promise
      ? appended.then((all) => settle(request, all))
      : settle(request, appended);
  },
});

/** The request with the records that it refers to; undefined where some are not there. */
function withSharedRecords(request: SentRequest, shared: SharedRecords): ProduceRequest | undefined {
  if (shared.isEmpty) return request;
  let complete = true;
  const withRecords = (data: PartitionData): PartitionData => {
    const records = shared.resolve(data.records);
    if (records === undefined) complete = false;
    return records === undefined || records === data.records ? data : { ...data, records, areShared: true };
  };
  const topicData = request.topicData.map((topic) => ({
    ...topic,
    partitionData: topic.partitionData.map(withRecords),
  }));
  return complete ? { ...request, topicData } : undefined;
}

interface TopicAnswer {
  readonly name: string;
  readonly topicId: string;
  readonly partitionResponses: PartitionAnswer[];
}

interface AppendedAll {
  readonly responses: TopicAnswer[];
  /** Each resolves when one partition is as safe as was asked, its answer corrected if it is not. */
  readonly pending: readonly Promise<void>[];
}

/** Appends every partition's batch, all in this turn of the event loop. */
function appendAll(
  request: ProduceRequest,
  context: RequestContext,
  refusals: Refusals | undefined,
): AppendedAll {
  const repeated = lastOfRepeated(request);
  const pending: Promise<void>[] = [];
  const responses = request.topicData.map((topicData) => {
    const partitionResponses: PartitionAnswer[] = [];
    for (const data of topicData.partitionData) {
      if (repeated?.has(data)) continue;
      const at = partitionResponses.length;
      const refusal = refusals?.get(data);
      if (refusal) {
        countRefused(topicData, data, context);
        partitionResponses.push({ ...refused(data.index, refusal), errorMessage: refusal.text });
        continue;
      }
      const { answer, durable } = append(topicData, data, request, context);
      if (answer.errorCode !== 0) countRefused(topicData, data, context);
      partitionResponses.push(answer);
      if (!durable) continue;
      const store = (failed: PartitionAnswer): void => {
        partitionResponses[at] = failed;
      };
      pending.push(durable.catch((error: unknown) => store(failure(data.index, error))));
    }
    return { name: topicData.name, topicId: topicData.topicId, partitionResponses };
  });
  return { responses, pending };
}

/** Answers once everything is as safe as was asked. */
function settle(
  request: ProduceRequest,
  { responses, pending }: AppendedAll,
): Answer<0> | Promise<Answer<0>> {
  const answer = (): Answer<0> => {
    if (request.acks !== 0) return { responses };
    const failed = responses.some((topic) => topic.partitionResponses.some((p) => p.errorCode !== 0));
    return failed ? CLOSE : NO_REPLY;
  };
  if (pending.length === 0) return answer();
  const only = pending[0];
  return (pending.length === 1 && only ? only : Promise.all(pending)).then(answer);
}

interface AppendAnswer {
  readonly answer: PartitionAnswer;
  /** Resolves when the records are as safe as was asked. */
  readonly durable?: Promise<void>;
}

function append(
  topicData: TopicData,
  data: PartitionData,
  request: ProduceRequest,
  context: RequestContext,
): AppendAnswer {
  const { broker, apiVersion } = context;
  const byId = apiVersion >= 13;
  const topic = byId ? broker.topics.getById(topicData.topicId) : broker.topics.get(topicData.name);
  if (!topic && byId) return { answer: refused(data.index, KafkaErrors.UNKNOWN_TOPIC_ID) };
  const { log, error } = partitionOf(topic, data.index);
  if (!log) return { answer: refused(data.index, error) };
  if (topic?.internal) return { answer: refused(data.index, KafkaErrors.INVALID_TOPIC_EXCEPTION) };
  const sender = {
    apiVersion,
    transactional: request.transactionalId !== null,
    leavesChecksum: data.areShared === true,
    target: log,
  };
  const check = checkBatch(data.records, log.config, sender, broker.clock.nowMs());
  if (check.kind === 'refused') {
    const { recordErrors, message, byLog } = check;
    const answer = refused(data.index, check.error, byLog ? log : undefined);
    return { answer: { ...answer, errorMessage: message, recordErrors } };
  }
  try {
    const recoded = recode(check.batch, check.header, log);
    if (recoded === 'unreadable')
      return { answer: refused(data.index, KafkaErrors.UNKNOWN_SERVER_ERROR, log) };
    const appended = recoded
      ? log.append(recoded, readBatchHeader(recoded, 0))
      : log.append(check.batch, check.header);
    const answer = accepted(data.index, appended, log);
    broker.metrics.produced(log.topic, check.header.lastOffsetDelta + 1, check.batch.length);
    // INV-1: a duplicate, too, is answered only once the batch it repeats is as safe as was asked.
    return { answer, durable: log.whenAcknowledged(appended.lastOffset, request.acks) };
  } catch (thrown) {
    return { answer: failure(data.index, thrown, log) };
  }
}

/** The batch in the topic's codec; undefined when it stays as it is. */
function recode(
  batch: Buffer,
  header: BatchHeader,
  { config }: PartitionLog,
): Buffer | 'unreadable' | undefined {
  try {
    return config.codec && recompress(batch, header, config.codec);
  } catch {
    return 'unreadable';
  }
}

function countRefused(
  topicData: TopicData,
  data: PartitionData,
  { broker, apiVersion }: RequestContext,
): void {
  const topic =
    apiVersion >= 13 ? broker.topics.getById(topicData.topicId) : broker.topics.get(topicData.name);
  if (topic && data.index < topic.partitions.length) broker.metrics.produced(topic.name, 0, 0);
  else broker.metrics.missed('produce');
}

function accepted(index: number, appended: Appended, log: PartitionLog): PartitionAnswer {
  return {
    index,
    errorCode: 0,
    baseOffset: appended.baseOffset,
    logAppendTimeMs: appended.logAppendTimeMs,
    logStartOffset: log.startOffset,
  };
}

/** `log` is given when it was the log that refused: Kafka then tells where it starts. */
function refused(index: number, error: ErrorAnswer, log?: PartitionLog): PartitionAnswer {
  const logStartOffset = log?.startOffset ?? -1;
  return { index, errorCode: error.code, baseOffset: -1, logAppendTimeMs: -1, logStartOffset };
}

function failure(index: number, error: unknown, log?: PartitionLog): PartitionAnswer {
  if (!(error instanceof KafkaFailure)) throw error;
  const answer = refused(index, { code: error.errorCode, message: error.message }, log);
  // INV-7: a client that tries again and again shall be able to say that the disk is full.
  return error.errorCode === KafkaErrors.KAFKA_STORAGE_ERROR.code
    ? { ...answer, errorMessage: error.message }
    : answer;
}

/** Kafka stores only the last of the entries that name the same partition in one request. */
function lastOfRepeated(request: ProduceRequest): ReadonlySet<PartitionData> | undefined {
  let overwritten: Set<PartitionData> | undefined;
  for (const topic of request.topicData) {
    if (topic.partitionData.length < 2) continue;
    const seen = new Map<number, PartitionData>();
    for (const data of topic.partitionData) {
      const earlier = seen.get(data.index);
      if (earlier) (overwritten ??= new Set()).add(earlier);
      seen.set(data.index, data);
    }
  }
  return overwritten;
}

function refuseAll(request: ProduceRequest, error: ErrorAnswer): Answer<0> {
  return {
    responses: request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((data) => refused(data.index, error)),
    })),
  };
}
