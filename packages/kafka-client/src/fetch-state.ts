// What the fetcher keeps per partition, and which of a broker's errors pass by themselves.
import { type API, KafkaErrors as E, type KafkaRecord, type ResponseBody } from '@millrace/kafka-protocol';
import type { FetchedPartition, Place } from './fetched-partition.ts';
import type { TopicPartition } from './topic-partition.ts';

export type FetchResponse = ResponseBody<typeof API.Fetch>;
export type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

export interface PartitionState extends TopicPartition {
  position: number;
  paused: boolean;
  /** Raised by seek, so that an answer to an older request is dropped. */
  generation: number;
  /** What is being delivered. */
  data: FetchedPartition | undefined;
  /** What comes after `data`, asked for while that was delivered. */
  ahead: FetchedPartition | undefined;
  /** What comes after `data` was refused: it is asked for again, and the error shown, when its turn comes. */
  aheadRefused: boolean;
  requested: boolean;
  /** Waits for seek or assign after an error that was thrown. */
  halted: boolean;
  retryAtMs: number;
  failures: number;
  /** Why the last request failed. */
  lastError: Error | undefined;
  topicId: string | undefined;
  lastEpoch: number;
  highWatermark: number;
  logStartOffset: number;
}

export function newState(topic: string, partition: number, position: number): PartitionState {
  return {
    topic,
    partition,
    position,
    paused: false,
    generation: 0,
    data: undefined,
    ahead: undefined,
    aheadRefused: false,
    requested: false,
    halted: false,
    retryAtMs: 0,
    failures: 0,
    lastError: undefined,
    topicId: undefined,
    lastEpoch: -1,
    highWatermark: -1,
    logStartOffset: -1,
  };
}

/** Drops what was fetched and not delivered. */
export function dropFetched(state: PartitionState): void {
  state.data = undefined;
  state.ahead = undefined;
  state.aheadRefused = false;
}

/** Moves a partition; false when it is there already. */
export function moveTo(state: PartitionState, offset: number): boolean {
  if (state.position === offset && !state.halted) return false;
  state.position = offset;
  state.generation++;
  dropFetched(state);
  state.halted = false;
  state.retryAtMs = 0;
  state.lastEpoch = -1;
  state.topicId = undefined;
  return true;
}

/** What is being delivered is used up. */
export function toNextAnswer(state: PartitionState): void {
  state.data = state.ahead;
  state.ahead = undefined;
  state.aheadRefused = false;
}

/** Where the next request reads from; undefined while there is nothing to ask for. */
export function placeToAsk(state: PartitionState): Place | undefined {
  if (state.data === undefined) return { offset: state.position, epoch: state.lastEpoch };
  return state.ahead || state.aheadRefused ? undefined : state.data.end;
}

/** A request under way. */
export interface Asking {
  readonly sinceMs: number;
  /** How long the broker may wait for records. */
  readonly waitMs: number;
  /** Whether it was given up because something else is wanted now. */
  givenUp: boolean;
}

export interface Wanted extends TopicPartition {
  readonly state: PartitionState;
  readonly generation: number;
  readonly place: Place;
}

/** Whether the log was cut below what was asked for. */
export function isCut({ divergingEpoch }: PartitionAnswer): boolean {
  return divergingEpoch !== null && divergingEpoch !== undefined && divergingEpoch.endOffset >= 0;
}

/** Bytes of keys, values and headers. */
export function sizeOf(records: readonly KafkaRecord[]): number {
  let size = 0;
  for (const { key, value, headers } of records) {
    size += (key?.length ?? 0) + (value?.length ?? 0);
    for (const header of headers) size += header.key.length + (header.value?.length ?? 0);
  }
  return size;
}

/** Errors of a partition that end with a metadata refresh or a pause. */
export const PASSING_ERRORS: ReadonlySet<number> = new Set<number>([
  E.NOT_LEADER_OR_FOLLOWER.code,
  E.LEADER_NOT_AVAILABLE.code,
  E.UNKNOWN_TOPIC_OR_PARTITION.code,
  E.UNKNOWN_TOPIC_ID.code,
  E.INCONSISTENT_TOPIC_ID.code,
  E.REPLICA_NOT_AVAILABLE.code,
  E.KAFKA_STORAGE_ERROR.code,
  E.FENCED_LEADER_EPOCH.code,
  E.UNKNOWN_LEADER_EPOCH.code,
  E.OFFSET_NOT_AVAILABLE.code,
  E.REQUEST_TIMED_OUT.code,
]);
