// A transactional producer and a read_committed reader over a bare test client, in both generations of the protocol:
// 1 adds partitions by requests of their own, 2 (KIP-890) by its first write.
import { readBatchHeader, readRecords, simpleBatch } from '@millrace/kafka-protocol';
import { readMarker } from '../log/control-batch.ts';
import type { TestClient } from './test-client.ts';

export type Generation = 1 | 2;

/** Throws `NAME answered CODE` when the broker refuses. */
function assertNone(name: string, code: number | undefined): void {
  if (code !== 0) throw new Error(`${name} answered ${code}`);
}

export class TransactionalProducer {
  #client: TestClient;
  readonly #id: string;
  readonly #generation: Generation;
  producerId: number = -1;
  epoch: number = -1;
  /** Next sequence number of each partition, by `topic-0`. */
  #sequences = new Map<string, number>();
  #added = new Set<string>();

  constructor(client: TestClient, id: string, generation: Generation) {
    this.#client = client;
    this.#id = id;
    this.#generation = generation;
  }

  async init(timeoutMs: number = 60_000): Promise<void> {
    const answer = await this.#client.send('InitProducerId', 4, {
      transactionalId: this.#id,
      transactionTimeoutMs: timeoutMs,
    });
    assertNone('InitProducerId', answer.errorCode);
    this.#become(Number(answer.producerId), answer.producerEpoch);
  }

  /** Goes on over another connection, maybe to another broker with the same folder. */
  useClient(client: TestClient): void {
    this.#client = client;
  }

  /** Writes one record in the transaction; its offset. */
  async write(topic: string, value: string): Promise<number> {
    await this.#add(topic);
    return this.send(topic, value);
  }

  /** Writes without adding the partition first. */
  async send(topic: string, value: string): Promise<number> {
    const sequence = this.#sequences.get(topic) ?? 0;
    this.#sequences.set(topic, sequence + 1);
    const records = simpleBatch([{ key: null, value: Buffer.from(value), timestamp: Date.now() }], {
      producerId: this.producerId,
      producerEpoch: this.epoch,
      baseSequence: sequence,
      transactional: true,
    });
    const answer = await this.#client.send('Produce', this.#generation === 2 ? 12 : 9, {
      transactionalId: this.#id,
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    const result = answer.responses[0]?.partitionResponses[0];
    assertNone('Produce', result?.errorCode);
    return Number(result?.baseOffset);
  }

  async commitOffset(groupId: string, topic: string, offset: number): Promise<void> {
    const identity = this.#identity();
    if (this.#generation === 1) {
      const added = await this.#client.send('AddOffsetsToTxn', 3, { ...identity, groupId });
      assertNone('AddOffsetsToTxn', added.errorCode);
    }
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
    const answer = await this.#client.send('TxnOffsetCommit', this.#generation === 2 ? 5 : 3, {
      ...identity,
      groupId,
      generationId: -1,
      memberId: '',
      topics: [{ name: topic, partitions }],
    });
    assertNone('TxnOffsetCommit', answer.topics[0]?.partitions[0]?.errorCode);
  }

  async end(commit: boolean): Promise<void> {
    const version = this.#generation === 2 ? 5 : 3;
    const answer = await this.#client.send('EndTxn', version, { ...this.#identity(), committed: commit });
    assertNone('EndTxn', answer.errorCode);
    this.#added.clear();
    if (this.#generation === 2) this.#become(Number(answer.producerId), answer.producerEpoch);
  }

  #become(producerId: number, epoch: number): void {
    if (producerId !== this.producerId || epoch !== this.epoch) this.#sequences.clear();
    this.producerId = producerId;
    this.epoch = epoch;
  }

  async #add(topic: string): Promise<void> {
    if (this.#generation === 2 || this.#added.has(topic)) return;
    const answer = await this.#client.send('AddPartitionsToTxn', 3, {
      v3AndBelowTransactionalId: this.#id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.epoch,
      v3AndBelowTopics: [{ name: topic, partitions: [0] }],
    });
    const code = answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode;
    assertNone('AddPartitionsToTxn', code);
    this.#added.add(topic);
  }

  #identity(): { transactionalId: string; producerId: number; producerEpoch: number } {
    return { transactionalId: this.#id, producerId: this.producerId, producerEpoch: this.epoch };
  }
}

/** Last stable offset and high watermark of partition 0. */
export async function endsOf(client: TestClient, topic: string): Promise<{ stable: number; end: number }> {
  const topics = [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
  const ends = [];
  for (const isolationLevel of [1, 0]) {
    const answer = await client.send('ListOffsets', 7, { replicaId: -1, isolationLevel, topics });
    ends.push(Number(answer.topics[0]?.partitions[0]?.offset));
  }
  return { stable: ends[0] ?? -1, end: ends[1] ?? -1 };
}

/** Resolves once no transaction holds the end of partition 0 back. */
export async function whenStable(client: TestClient, topic: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; ) {
    const { stable, end } = await endsOf(client, topic);
    if (stable === end) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  throw new Error(`a transaction on ${topic} stays open`);
}

/** The values a read_committed consumer of partition 0 gets: what it fetches, without aborted transactions. */
export async function readCommitted(client: TestClient, topic: string): Promise<string[]> {
  const values: string[] = [];
  for (let offset = 0; ; ) {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }];
    const answer = await client.send('Fetch', 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      sessionEpoch: -1,
      topics: [{ topic, partitions }],
    });
    const result = answer.responses[0]?.partitions[0];
    assertNone('Fetch', result?.errorCode);
    const bytes = result?.records ?? Buffer.alloc(0);
    if (bytes.length === 0) return values;
    const waiting = [...(result?.abortedTransactions ?? [])].sort(
      (a, b) => Number(a.firstOffset) - Number(b.firstOffset),
    );
    const aborting = new Set<number>();
    for (let at = 0; at < bytes.length; ) {
      const header = readBatchHeader(bytes, at);
      const lastOffset = header.baseOffset + header.lastOffsetDelta;
      while (waiting[0] && Number(waiting[0].firstOffset) <= lastOffset) {
        aborting.add(Number(waiting.shift()?.producerId));
      }
      const batch = bytes.subarray(at, at + header.sizeInBytes);
      if (header.attributes & 0x20) {
        if (readMarker(batch, header)?.commit === false) aborting.delete(header.producerId);
      } else if (!(header.attributes & 0x10 && aborting.has(header.producerId))) {
        for (const record of readRecords(batch, 0, header)) values.push(String(record.value));
      }
      at += header.sizeInBytes;
      offset = lastOffset + 1;
    }
  }
}
