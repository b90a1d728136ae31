// 2 ListOffsets. Offsets by timestamp, and by the special timestamps below.
//   v1 one offset instead of a list · v2 isolation level: the end for read_committed is the last stable offset · v4 leader epochs · v6 flexible · v7 -3 · v8 -4 · v9 -5
//   v11 -6
import { MillraceError } from '@millrace/foundation';
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import { type BrokerState, type ErrorAnswer, leaderEpochError, partitionOf } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import { findByTimestamp, findMaxTimestamp } from '../log/log-reader.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

type ListOffsetsRequest = RequestBody<typeof API.ListOffsets>;
const READ_COMMITTED = 1;
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** First version that may ask a special timestamp. */
const SINCE: Readonly<Record<number, number>> = {
  [LATEST]: 0,
  [EARLIEST]: 0,
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
};

type Asked = ListOffsetsRequest['topics'][number]['partitions'][number];

interface Found {
  readonly errorCode: number;
  readonly timestamp: number;
  readonly offset: number;
  readonly leaderEpoch: number;
}

const NONE: Found = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 };

export const listOffsets: RegisteredApi = defineApi({
  key: API.ListOffsets,
  versions: [1, 11],
  handle: async (request, { broker, apiVersion }) => {
    const topics = [];
    for (const topic of request.topics) {
      const repeated = repeatedIndexes(topic.partitions);
      const partitions: (Found & { partitionIndex: number })[] = [];
      const refused = new Set<number>();
      for (const asked of topic.partitions) {
        if (refused.has(asked.partitionIndex)) continue;
        const isRepeated = repeated.has(asked.partitionIndex);
        if (isRepeated) refused.add(asked.partitionIndex);
        const found = isRepeated
          ? failed(KafkaErrors.INVALID_REQUEST)
          : await find(broker, topic.name, asked, request.isolationLevel, apiVersion);
        partitions.push({ partitionIndex: asked.partitionIndex, ...found });
      }
      topics.push({ name: topic.name, partitions });
    }
    return { topics };
  },
});

async function find(
  broker: BrokerState,
  topic: string,
  asked: Asked,
  isolationLevel: number,
  apiVersion: number,
): Promise<Found> {
  const { log, error } = partitionOf(broker.topics.get(topic), asked.partitionIndex);
  if (!log) return failed(error);
  const epochError = leaderEpochError(log, asked.currentLeaderEpoch);
  if (epochError) return failed(epochError);
  const timestamp = Number(asked.timestamp);
  if (timestamp < 0 && (SINCE[timestamp] ?? Number.POSITIVE_INFINITY) > apiVersion) {
    return failed(KafkaErrors.UNSUPPORTED_VERSION);
  }
  try {
    return await lookUp(log, timestamp, isolationLevel);
  } catch (thrown) {
    if (thrown instanceof KafkaFailure) return { ...NONE, errorCode: thrown.errorCode };
    // Records are stored as they came, and a client may have packed something that cannot be unpacked.
    if (thrown instanceof MillraceError && thrown.code.startsWith('kafka.')) {
      return failed(KafkaErrors.CORRUPT_MESSAGE);
    }
    throw thrown;
  }
}

async function lookUp(log: PartitionLog, timestamp: number, isolationLevel: number): Promise<Found> {
  const at = (offset: number): Found => ({ ...NONE, offset, leaderEpoch: log.leaderEpoch });
  switch (timestamp) {
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { ...at(log.startOffset), leaderEpoch: log.epochs.at(log.startOffset) };
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return NONE;
    default:
      break;
  }
  // A client that asks for the end sees what it wrote under acks=1.
  await log.whenVisible();
  const end = isolationLevel === READ_COMMITTED ? log.lastStableOffset : log.highWatermark;
  if (timestamp === LATEST) return at(end);
  const found =
    timestamp === MAX_TIMESTAMP
      ? await findMaxTimestamp(log, end)
      : await findByTimestamp(log, timestamp, end);
  return found ? { errorCode: 0, ...found } : NONE;
}

function failed(error: ErrorAnswer): Found {
  return { ...NONE, errorCode: error.code };
}

function repeatedIndexes(partitions: readonly Asked[]): ReadonlySet<number> {
  const seen = new Set<number>();
  const repeated = new Set<number>();
  for (const { partitionIndex } of partitions) {
    if (seen.has(partitionIndex)) repeated.add(partitionIndex);
    seen.add(partitionIndex);
  }
  return repeated;
}
