// 1 Fetch. Batches are sent as they lie in the log, whole; a batch that holds the offset is sent from its start.
//   v4 magic 2, isolation level · v7 fetch sessions (KIP-227) · v9 current leader epoch · v12 flexible, diverging
//   epoch · v13 topic ids (KIP-516) · v15 replica state · v18 high watermark in the request
// The answer waits until minBytes are there over all partitions, maxWaitMs have passed, or something went wrong.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import { type ErrorAnswer, leaderEpochError, partitionOf } from '../broker-state.ts';
import { type ReadBytes, readLog } from '../log/log-reader.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Topic } from '../metadata/topics.ts';
import { type Answer, defineApi, type RegisteredApi, type RequestContext } from './definition.ts';
import { waitForBytes } from './fetch-wait.ts';

type FetchRequest = RequestBody<typeof API.Fetch>;
/** What one partition of a Fetch asks, with its log looked up. */
interface Target {
  readonly topic: { readonly name: string; readonly id: string };
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly log: PartitionLog | undefined;
  readonly error: ErrorAnswer | undefined;
}

interface PartitionAnswer {
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly divergingEpoch?: { readonly epoch: number; readonly endOffset: number };
  readonly abortedTransactions: readonly never[] | null;
  readonly preferredReadReplica: number;
  readonly records: readonly Buffer[];
}

interface FetchedPartition {
  readonly target: Target;
  readonly answer: PartitionAnswer;
  readonly size: number;
}

/** Largest answer, whatever the client asks for, unless a single batch is larger. */
const MAX_RESPONSE_BYTES = 57_671_680;

export const fetch: RegisteredApi = defineApi({
  key: API.Fetch,
  versions: [4, 18],
  handle: async (request, context) => {
    const targets = targetsOf(request, context);
    // CORRECTNESS 24: what was written under acks=1 and waits for its sync is synced now, so that it can be seen.
    await Promise.all(targets.map((target) => settleWrites(target)));
    const logs = targets.flatMap((target) => (target.log && !target.error ? [target.log] : []));
    const before = visibleBytes(logs);
    let fetched = await readAll(targets, request);
    const size = fetched.reduce((sum, part) => sum + part.size, 0);
    const mustAnswer = fetched.some((part) => endsWait(part, targets.length));
    if (!mustAnswer && size < request.minBytes && request.maxWaitMs > 0 && targets.length > 0) {
      const arrived = visibleBytes(logs) - before;
      await waitForBytes(logs, request.minBytes - size - arrived, request.maxWaitMs, context.signal);
      fetched = await readAll(targetsOf(request, context), request);
    }
    return answerOf(fetched);
  },
});

function visibleBytes(logs: readonly PartitionLog[]): number {
  return logs.reduce((sum, log) => sum + log.visibleBytes, 0);
}

function targetsOf(request: FetchRequest, context: RequestContext): Target[] {
  const byId = context.apiVersion >= 13;
  const { topics } = context.broker;
  return request.topics.flatMap((entry) => {
    const topic = byId ? topics.getById(entry.topicId) : topics.get(entry.topic);
    const name = { name: entry.topic, id: entry.topicId };
    return entry.partitions.map((asked) => ({
      topic: name,
      partition: asked.partition,
      offset: Number(asked.fetchOffset),
      maxBytes: asked.partitionMaxBytes,
      currentLeaderEpoch: asked.currentLeaderEpoch,
      lastFetchedEpoch: asked.lastFetchedEpoch,
      ...lookUp(topic, asked.partition, byId),
    }));
  });
}

function lookUp(topic: Topic | undefined, partition: number, byId: boolean): Pick<Target, 'log' | 'error'> {
  if (!topic && byId) return { log: undefined, error: KafkaErrors.UNKNOWN_TOPIC_ID };
  const { log, error } = partitionOf(topic, partition);
  return { log, error };
}

async function settleWrites({ log, error, offset }: Target): Promise<void> {
  if (!log || error || offset < log.highWatermark || log.highWatermark >= log.endOffset) return;
  // A write that fails shows as nothing to read; the producer was told why.
  await log.whenVisible().catch(() => undefined);
}

async function readAll(targets: readonly Target[], request: FetchRequest): Promise<FetchedPartition[]> {
  let left = Math.min(request.maxBytes, MAX_RESPONSE_BYTES);
  let isFirst = true;
  const fetched: FetchedPartition[] = [];
  for (const target of targets) {
    const part = readOne(target, left, isFirst);
    const done = part instanceof Promise ? await part : part;
    fetched.push(done);
    if (done.size > 0) isFirst = false;
    left = Math.max(0, left - done.size);
  }
  return fetched;
}

function readOne(
  target: Target,
  left: number,
  atLeastOne: boolean,
): FetchedPartition | Promise<FetchedPartition> {
  const { log, offset } = target;
  if (!log || target.error) return failed(target, target.error ?? KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  const epochError = leaderEpochError(log, target.currentLeaderEpoch);
  if (epochError) return failed(target, epochError);
  const diverging = divergingEpoch(log, target);
  if (diverging)
    return { target, size: 0, answer: { ...answerFor(target, log, []), divergingEpoch: diverging } };
  if (offset < log.startOffset || offset > log.highWatermark) {
    return failed(target, KafkaErrors.OFFSET_OUT_OF_RANGE);
  }
  const done = (read: ReadBytes): FetchedPartition => ({
    target,
    size: read.size,
    answer: answerFor(target, log, read.chunks),
  });
  const read = readLog(log, {
    offset,
    limitOffset: log.highWatermark,
    maxBytes: Math.min(target.maxBytes, left),
    atLeastOne,
  });
  return read instanceof Promise ? read.then(done) : done(read);
}

/** KIP-595: tells a client whose last record was written under an epoch that ended earlier where to go back to. */
function divergingEpoch(log: PartitionLog, target: Target): PartitionAnswer['divergingEpoch'] {
  if (target.lastFetchedEpoch < 0) return undefined;
  const end = log.endOfEpoch(target.lastFetchedEpoch);
  if (end.epoch < 0) return { epoch: log.leaderEpoch, endOffset: log.highWatermark };
  return end.epoch < target.lastFetchedEpoch || end.endOffset < target.offset ? end : undefined;
}

function answerFor(target: Target, log: PartitionLog, records: readonly Buffer[]): PartitionAnswer {
  return {
    partitionIndex: target.partition,
    errorCode: 0,
    highWatermark: log.highWatermark,
    lastStableOffset: log.highWatermark,
    logStartOffset: log.startOffset,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records,
  };
}

function failed(target: Target, error: ErrorAnswer): FetchedPartition {
  return {
    target,
    size: 0,
    answer: {
      partitionIndex: target.partition,
      errorCode: error.code,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: null,
      preferredReadReplica: -1,
      records: [],
    },
  };
}

/** An unknown topic beside others does not end the wait; any other error does, and so does it alone. */
function endsWait(part: FetchedPartition, partitionCount: number): boolean {
  if (part.answer.divergingEpoch) return true;
  const code = part.answer.errorCode;
  if (code === 0) return false;
  const isUnknown =
    code === KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code || code === KafkaErrors.UNKNOWN_TOPIC_ID.code;
  return !isUnknown || partitionCount === 1;
}

function answerOf(fetched: readonly FetchedPartition[]): Answer<1> {
  const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = [];
  for (const { target, answer } of fetched) {
    const last = responses.at(-1);
    if (last && last.topic === target.topic.name && last.topicId === target.topic.id)
      last.partitions.push(answer);
    else responses.push({ topic: target.topic.name, topicId: target.topic.id, partitions: [answer] });
  }
  return { responses };
}
