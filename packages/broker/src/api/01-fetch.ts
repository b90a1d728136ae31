// 1 Fetch. Batches are sent as they lie in the log; the one that holds the offset is sent from its start, the last
// may be cut where the limit in bytes is.
//   v4 magic 2, isolation level: read_committed ends at the last stable offset and is told which transactions of what
//   it gets were aborted · v7 fetch sessions (KIP-227) · v9 current leader epoch · v12 flexible, diverging
//   epoch · v13 topic ids (KIP-516) · v15 replica state · v18 high watermark in the request
// The answer waits until minBytes are there over all partitions, maxWaitMs have passed, or something went wrong.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import { type ErrorAnswer, leaderEpochError, partitionOf } from '../broker-state.ts';
import { endOfBatches, type ReadBytes, readLog } from '../log/log-reader.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { AbortedTransaction as LoggedTransaction } from '../log/transaction-index.ts';
import { Operation } from '../security/acl.ts';
import { type Answer, defineApi, type RegisteredApi, type RequestContext } from './definition.ts';
import type { AskedPartition, FetchScope } from './fetch-sessions.ts';
import { stableOffsets, waitForBytes, waitForStable } from './fetch-wait.ts';

type FetchRequest = RequestBody<typeof API.Fetch>;

type AbortedTransaction = Pick<LoggedTransaction, 'producerId' | 'firstOffset'>;

/** What one partition of a Fetch asks, with its log looked up. */
interface Target {
  readonly asked: AskedPartition;
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
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
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
const READ_COMMITTED = 1;
/** Replica id of a client. */
const CONSUMER = -1;

export const fetch: RegisteredApi = defineApi({
  key: API.Fetch,
  versions: [4, 18],
  handle: async (request, context) => {
    const scope = context.broker.fetchSessions.scopeOf(request);
    if (scope.error) return { errorCode: scope.error.code };
    const targets = targetsOf(scope.asked, request, context);
    // What was written under acks=1 and waits for its sync is synced now, so that it can be seen.
    const unsettled = targets.filter(waitsForSync);
    if (unsettled.length > 0) await Promise.all(unsettled.map(settleWrites));
    const again = (): Promise<FetchedPartition[]> =>
      readAll(targetsOf(scope.asked, request, context), request);
    const logs = targets.flatMap(({ log, error }) => (log && !error ? [log] : []));
    const poll = request.isolationLevel === READ_COMMITTED ? pollCommitted : pollVisible;
    const fetched = await poll(logs, request, context, () => readAll(targets, request), again);
    count(fetched, context);
    return answerOf(fetched, scope);
  },
});

type Read = () => Promise<FetchedPartition[]>;

/** Reads, and if too little is there waits for more bytes below the high watermarks. */
async function pollVisible(
  logs: readonly PartitionLog[],
  request: FetchRequest,
  context: RequestContext,
  read: Read,
  again: Read,
): Promise<FetchedPartition[]> {
  const before = visibleBytes(logs);
  const fetched = await read();
  const missing = bytesMissing(fetched, request);
  if (missing <= 0) return fetched;
  const arrived = visibleBytes(logs) - before;
  const more = await waitForBytes(logs, missing - arrived, request.maxWaitMs, context.ending);
  // Nothing came: what was read before is the answer.
  return more || visibleBytes(logs) !== before ? again() : fetched;
}

/** The same below the last stable offsets: what belongs to open transactions wakes nobody, a marker does. */
async function pollCommitted(
  logs: readonly PartitionLog[],
  request: FetchRequest,
  context: RequestContext,
  read: Read,
  again: Read,
): Promise<FetchedPartition[]> {
  const { clock } = context.broker;
  const deadline = clock.monotonicMs() + request.maxWaitMs;
  let stable = stableOffsets(logs);
  let fetched = await read();
  while (bytesMissing(fetched, request) > 0) {
    const left = deadline - clock.monotonicMs();
    const moved = left > 0 && (await waitForStable(logs, stable, left, context.ending));
    stable = stableOffsets(logs);
    fetched = await again();
    if (!moved) break;
  }
  return fetched;
}

/** What is missing of the bytes that are worth an answer; 0 when it must be given anyway. */
function bytesMissing(fetched: readonly FetchedPartition[], request: FetchRequest): number {
  if (fetched.length === 0 || request.maxWaitMs <= 0) return 0;
  if (fetched.some((part) => endsWait(part, fetched.length))) return 0;
  return request.minBytes - fetched.reduce((sum, part) => sum + part.size, 0);
}

function count(fetched: readonly FetchedPartition[], { broker }: RequestContext): void {
  for (const { target, answer, size } of fetched) {
    if (target.log) broker.metrics.fetched(target.log.topic, size, answer.errorCode !== 0);
    else broker.metrics.missed('fetch');
  }
}

function visibleBytes(logs: readonly PartitionLog[]): number {
  return logs.reduce((sum, log) => sum + log.visibleBytes, 0);
}

function targetsOf(
  asked: readonly AskedPartition[],
  request: FetchRequest,
  context: RequestContext,
): Target[] {
  const byId = context.apiVersion >= 13;
  const { topics } = context.broker;
  const replicaId = request.replicaState?.replicaId ?? request.replicaId;
  return asked.map((entry) => {
    const topic = byId ? topics.getById(entry.topicId) : topics.get(entry.topicName);
    if (!topic && byId) return { asked: entry, log: undefined, error: KafkaErrors.UNKNOWN_TOPIC_ID };
    // Kept in its session although refused: what is allowed later must be read then.
    if (context.access?.topic(Operation.read, topic?.name ?? entry.topicName) === false) {
      return { asked: entry, log: undefined, error: KafkaErrors.TOPIC_AUTHORIZATION_FAILED };
    }
    const { log, error } = partitionOf(topic, entry.partition);
    // There are no followers.
    const isFollower = log !== undefined && replicaId !== CONSUMER;
    return { asked: entry, log, error: isFollower ? KafkaErrors.NOT_LEADER_OR_FOLLOWER : error };
  });
}

function waitsForSync({ log, error, asked }: Target): boolean {
  return !!log && !error && asked.offset >= log.highWatermark && log.highWatermark < log.endOffset;
}

async function settleWrites({ log }: Target): Promise<void> {
  // A write that fails shows as nothing to read; the producer was told why.
  await log?.whenVisible().catch(() => undefined);
}

async function readAll(targets: readonly Target[], request: FetchRequest): Promise<FetchedPartition[]> {
  let left = Math.min(request.maxBytes, MAX_RESPONSE_BYTES);
  let isFirst = true;
  const fetched: FetchedPartition[] = [];
  for (const target of targets) {
    const part = readOne(target, request.isolationLevel, left, isFirst);
    const done = part instanceof Promise ? await part : part;
    fetched.push(done);
    if (done.size > 0) isFirst = false;
    left = Math.max(0, left - done.size);
  }
  return fetched;
}

function readOne(
  target: Target,
  isolationLevel: number,
  left: number,
  atLeastOne: boolean,
): FetchedPartition | Promise<FetchedPartition> {
  const { log, asked } = target;
  if (!log || target.error) return failed(target, target.error ?? KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  const epochError = leaderEpochError(log, asked.currentLeaderEpoch);
  if (epochError) return failed(target, epochError);
  // An epoch this log never had says nothing about where the two parted.
  if (asked.lastFetchedEpoch > log.leaderEpoch) return failed(target, KafkaErrors.OFFSET_OUT_OF_RANGE);
  const diverging = divergingEpoch(log, asked);
  if (diverging)
    return { target, size: 0, answer: { ...answerFor(asked, log, []), divergingEpoch: diverging } };
  if (asked.offset < log.startOffset || asked.offset > log.highWatermark) {
    return failed(target, KafkaErrors.OFFSET_OUT_OF_RANGE);
  }
  const committed = isolationLevel === READ_COMMITTED;
  const limitOffset = committed ? log.lastStableOffset : log.highWatermark;
  // Before the read: it may take a while, and the lists go with segments that are deleted meanwhile.
  const aborted =
    committed && asked.offset < limitOffset ? log.abortedIn(asked.offset, limitOffset) : NO_TRANSACTIONS;
  const fetchedOf = (read: ReadBytes): FetchedPartition => {
    const answer = answerFor(asked, log, read.chunks);
    if (!committed) return { target, size: read.size, answer };
    const abortedTransactions = abortedAmong(aborted, read);
    return { target, size: read.size, answer: { ...answer, abortedTransactions } };
  };
  const read = readLog(log, {
    offset: asked.offset,
    limitOffset,
    maxBytes: Math.min(asked.maxBytes, left),
    atLeastOne,
  });
  return read instanceof Promise ? read.then(fetchedOf) : fetchedOf(read);
}

/** The aborted transactions a client must know of to skip their records among `read`. */
function abortedAmong(
  aborted: readonly AbortedTransaction[],
  read: ReadBytes,
): readonly AbortedTransaction[] {
  if (read.size === 0 || aborted.length === 0) return NO_TRANSACTIONS;
  const end = endOfBatches(read);
  return aborted.filter(({ firstOffset }) => firstOffset < end);
}

/** KIP-595: tells a client whose last record was written under an epoch that ended earlier where to go back to. */
function divergingEpoch(log: PartitionLog, asked: AskedPartition): PartitionAnswer['divergingEpoch'] {
  if (asked.lastFetchedEpoch < 0) return undefined;
  const end = log.endOfEpoch(asked.lastFetchedEpoch);
  return end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.offset ? end : undefined;
}

function answerFor(asked: AskedPartition, log: PartitionLog, records: readonly Buffer[]): PartitionAnswer {
  return {
    partitionIndex: asked.partition,
    errorCode: 0,
    highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset,
    logStartOffset: log.startOffset,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records,
  };
}

const NO_TRANSACTIONS: readonly never[] = [];

function failed(target: Target, error: ErrorAnswer): FetchedPartition {
  // Kafka's answers differ in this detail between partitions it does not know and those it has.
  const isKnown = target.log !== undefined;
  return {
    target,
    size: 0,
    answer: {
      partitionIndex: target.asked.partition,
      errorCode: error.code,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: isKnown ? null : NO_TRANSACTIONS,
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

function answerOf(
  fetched: readonly FetchedPartition[],
  scope: Exclude<FetchScope, { error: ErrorAnswer }>,
): Answer<1> {
  const { session, incremental } = scope;
  const responses: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = [];
  for (const { target, answer, size } of fetched) {
    const { asked } = target;
    const isNews = session?.hasNews(asked, answer) ?? true;
    if (size > 0) session?.served(asked);
    if (incremental && size === 0 && !isNews && !answer.divergingEpoch) continue;
    const last = responses.at(-1);
    if (last && last.topic === asked.topicName && last.topicId === asked.topicId)
      last.partitions.push(answer);
    else responses.push({ topic: asked.topicName, topicId: asked.topicId, partitions: [answer] });
  }
  return { sessionId: session?.id ?? 0, responses };
}
