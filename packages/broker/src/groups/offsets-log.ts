// `__consumer_offsets`: what is durable of groups and of the offsets they committed. All of a group lies in one partition:
// a new folder has only one, a folder taken over from Kafka as many as that had.
import type { Clock } from '@millrace/foundation';
import { KafkaErrors, readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { partitionOfId } from '../metadata/partition-of-id.ts';
import { OFFSETS_TOPIC, type Topic, type Topics } from '../metadata/topics.ts';
import { encodeGroupRecord, type GroupRecord, type OffsetRecord } from './records.ts';

/** A producer whose transaction offsets are part of. */
export interface OffsetsProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Where a batch lies. */
export interface Appended {
  readonly log: PartitionLog;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export class OffsetsLog {
  readonly #topics: Topics;
  readonly #clock: Clock;

  constructor(topics: Topics, clock: Clock) {
    this.#topics = topics;
    this.#clock = clock;
  }

  /** The topic; made at first use. */
  topic(): Promise<Topic> {
    return this.#topics.internal(OFFSETS_TOPIC);
  }

  /** Every partition that could be opened. */
  logs(): PartitionLog[] {
    return (this.#topics.get(OFFSETS_TOPIC)?.partitions ?? []).filter((log) => log !== undefined);
  }

  /** The partition of a group. */
  partitionOf(groupId: string): number {
    const count = this.#topics.get(OFFSETS_TOPIC)?.partitions.length ?? 0;
    return partitionOfId(groupId, Math.max(1, count));
  }

  /** The log of a group; undefined before the topic is made, and when its partition is offline. */
  logOf(groupId: string): PartitionLog | undefined {
    return this.#topics.get(OFFSETS_TOPIC)?.partitions[this.partitionOf(groupId)];
  }

  /** Writes records of one group as one batch. Resolves with their offset once they are durable. INV-12 @throws KafkaFailure */
  async write(groupId: string, records: readonly GroupRecord[]): Promise<number> {
    await this.topic();
    const now = this.#clock.nowMs();
    const batch = simpleBatch(records.map((record) => encodeGroupRecord(record, now)));
    const log = this.#open(groupId);
    const { baseOffset, lastOffset } = log.append(batch, readBatchHeader(batch, 0));
    await log.whenDurable(lastOffset);
    return baseOffset;
  }

  /** Appends offsets of one group as part of a transaction, without waiting for anything. @throws KafkaFailure */
  append(groupId: string, offsets: readonly OffsetRecord[], producer: OffsetsProducer): Appended {
    const log = this.#open(groupId);
    const now = this.#clock.nowMs();
    const records = offsets.map((record) => encodeGroupRecord(record, now));
    const batch = simpleBatch(records, { ...producer, baseSequence: 0, transactional: true });
    return { log, ...log.append(batch, readBatchHeader(batch, 0), 'coordinator') };
  }

  #open(groupId: string): PartitionLog {
    const log = this.logOf(groupId);
    if (!log) throw new KafkaFailure(KafkaErrors.COORDINATOR_NOT_AVAILABLE);
    return log;
  }
}
