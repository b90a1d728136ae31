// Partition logs for tests, without the rest of a broker.
import { silentLogger, systemClock } from '@millrace/foundation';
import { readBatchHeader, simpleBatch } from '@millrace/kafka-protocol';
import type { Disk } from '../disk.ts';
import { DiskSpace } from '../log/disk-space.ts';
import type { LogConfig } from '../log/log-config.ts';
import { LogDirectory } from '../log/log-directory.ts';
import type { LogEnvironment } from '../log/log-environment.ts';
import { readLog } from '../log/log-reader.ts';
import type { Appended, PartitionLog } from '../log/partition-log.ts';
import { TailCache } from '../log/tail-cache.ts';
import { TurnEnd } from '../log/write-pipeline.ts';

export const TEST_TOPIC_ID = 'X39I2LdzSNq0EHdPEavubQ';

export const TEST_CONFIG: LogConfig = {
  segmentBytes: 1 << 20,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 1 << 20,
  indexIntervalBytes: 64,
  maxMessageBytes: 1 << 20,
  logAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  codec: undefined,
  compacted: false,
  deletes: true,
  retentionMs: -1,
  retentionBytes: -1,
  fileDeleteDelayMs: 0,
  minCleanableRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 86_400_000,
  flushPolicy: 'acks-all',
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushIntervalMs: 5,
};

/** One log folder on a disk. */
export interface TestLogs {
  readonly directory: LogDirectory;
  readonly failure: () => Error | undefined;
  readonly space: DiskSpace;
  /** Opens partition 0 of topic `t`, recovering it. */
  readonly open: (config?: Partial<LogConfig>) => Promise<PartitionLog>;
}

/** Opens a log folder as a broker does at start. */
export async function openTestLogs(disk: Disk, tailCacheBytes: number = 1 << 20): Promise<TestLogs> {
  let failure: Error | undefined;
  const space = new DiskSpace(disk, '/data', 4096, silentLogger);
  const env: LogEnvironment = {
    disk,
    clock: systemClock,
    logger: silentLogger,
    turnEnd: new TurnEnd(),
    tailCache: new TailCache(tailCacheBytes),
    space,
    onStorageFailure: (error) => {
      failure = error;
    },
    storageFailed: () => failure !== undefined,
  };
  const directory = new LogDirectory('/data/log', env);
  await directory.begin();
  const open = (config: Partial<LogConfig> = {}): Promise<PartitionLog> =>
    directory.open({
      topic: 't',
      topicId: TEST_TOPIC_ID,
      partition: 0,
      internal: false,
      config: { ...TEST_CONFIG, ...config },
    });
  return { directory, failure: () => failure, space, open };
}

export interface TestBatch {
  readonly values: readonly string[];
  readonly timestamp?: number;
  readonly producerId?: number;
  readonly sequence?: number;
}

export function batchOf({ values, timestamp = 1_700_000_000_000, producerId, sequence }: TestBatch): Buffer {
  return simpleBatch(
    values.map((value) => ({ key: Buffer.from('k'), value: Buffer.from(value), timestamp })),
    producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence: sequence ?? 0 },
  );
}

/** Appends without waiting for anything. */
export function appendTo(log: PartitionLog, batch: TestBatch): Appended {
  const bytes = batchOf(batch);
  return log.append(bytes, readBatchHeader(bytes, 0));
}

/** Appends and waits until the device has it. */
export async function appendDurably(log: PartitionLog, ...values: string[]): Promise<Appended> {
  const appended = appendTo(log, { values });
  await log.whenDurable(appended.lastOffset);
  return appended;
}

/** All visible bytes from `offset` on. */
export async function readAllBytes(log: PartitionLog, offset: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = offset; at < log.highWatermark; ) {
    const request = { offset: at, limitOffset: log.highWatermark, maxBytes: 1 << 20, atLeastOne: true };
    const read = await readLog(log, request);
    const bytes = Buffer.concat(read.chunks);
    if (bytes.length === 0) throw new Error(`nothing to read at ${at} of ${log.highWatermark}`);
    chunks.push(bytes);
    for (let position = 0; position < bytes.length; ) {
      const header = readBatchHeader(bytes, position);
      at = header.baseOffset + header.lastOffsetDelta + 1;
      position += header.sizeInBytes;
    }
  }
  return Buffer.concat(chunks);
}

/** Small numbers from a seed: the same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
