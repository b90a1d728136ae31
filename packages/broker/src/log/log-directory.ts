// The log folder of a data folder: opens and creates partitions, keeps the checkpoints of recovery points and log
// starts, and the marker of a clean shutdown.
import { join } from 'node:path';
import { type Logger, toError } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import { type Disk, makeDurableDirectory, writeAtomically } from '../disk.ts';
import { brokerError, KafkaFailure } from '../errors.ts';
import {
  formatOffsetCheckpoint,
  formatPartitionMetadata,
  type OffsetCheckpoint,
  parseOffsetCheckpoint,
  parsePartitionFolder,
  parsePartitionMetadata,
} from './checkpoint.ts';
import type { LogConfig } from './log-config.ts';
import type { LogEnvironment } from './log-environment.ts';
import { PartitionLog } from './partition-log.ts';
import { ProducerState } from './producer-state.ts';
import { recoverLog } from './recovery.ts';

const CLEAN_MARKER = '.kafka_cleanshutdown';
const RECOVERY_POINTS = 'recovery-point-offset-checkpoint';
const LOG_STARTS = 'log-start-offset-checkpoint';
const REPLICATION = 'replication-offset-checkpoint';
/** Folders of deleted topics: Kafka's suffix, with the topic's id in between. */
const MAX_NAME = 255;
/** The folder name of KRaft's own log. */
const CLUSTER_METADATA = '__cluster_metadata';
const DELETED = /\.[\w-]+-delete$/;

/** A partition folder found at start. */
export interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
}

export interface OpenRequest {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly internal: boolean;
  readonly config: LogConfig;
  /** Offsets may be missing between batches, whatever the config says: nothing is known of the topic's past. */
  readonly mayHaveGaps?: boolean;
}

export class LogDirectory {
  readonly path: string;
  readonly #env: LogEnvironment;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #logs = new Map<string, PartitionLog>();
  #clean = false;
  #closing = false;
  /** As stored by the last run, for partitions that are not open: they stay as they are. */
  readonly #recoveryPoints = new Map<string, number>();
  readonly #logStarts = new Map<string, number>();
  /** Partitions that the stored checkpoints speak of. */
  #checkpointed: ReadonlySet<string> = new Set();
  #storedPoints = '';
  #storedStarts = '';
  #storing: Promise<void> = Promise.resolve();

  constructor(path: string, env: LogEnvironment) {
    this.path = path;
    this.#env = env;
    this.#disk = env.disk;
    this.#logger = env.logger;
  }

  /** The open logs, by folder name. */
  logs(): Iterable<[string, PartitionLog]> {
    return this.#logs;
  }

  /** Whether the last run ended with a clean shutdown; known after `begin`. */
  get wasClean(): boolean {
    return this.#clean;
  }

  /** Reads marker and checkpoints, and takes the marker away before anything can be appended. */
  async begin(): Promise<void> {
    await makeDurableDirectory(this.#disk, this.path);
    const marker = join(this.path, CLEAN_MARKER);
    const fresh = this.#disk.list(this.path).length === 0;
    this.#clean = fresh || this.#disk.exists(marker);
    for (const [name, offset] of this.#readCheckpoint(RECOVERY_POINTS))
      this.#recoveryPoints.set(name, offset);
    for (const [name, offset] of this.#readCheckpoint(LOG_STARTS)) this.#logStarts.set(name, offset);
    this.#checkpointed = new Set([...this.#recoveryPoints.keys(), ...this.#logStarts.keys()]);
    if (this.#disk.exists(marker)) {
      this.#disk.remove(marker);
      await this.#disk.syncDirectory(this.path);
    }
    for (const name of this.#disk.list(this.path)) {
      if (DELETED.test(name)) this.#disk.remove(join(this.path, name));
    }
  }

  /** Partition folders with an identity. */
  find(): FoundPartition[] {
    const found: FoundPartition[] = [];
    for (const name of this.#disk.list(this.path)) {
      const key = parsePartitionFolder(name);
      // What Kafka itself knows of its topics, users and rights is no topic, and stays as it is.
      if (key?.topic === CLUSTER_METADATA) continue;
      const topicId = key && this.#topicIdOf(name);
      if (key && topicId) found.push({ ...key, topicId });
    }
    return found;
  }

  /** Removes the partition folders of topics that are gone: a crash came between their deletion and this. */
  removeStrays(
    folders: readonly FoundPartition[],
    isKnown: (topic: string, topicId: string) => boolean,
  ): void {
    for (const found of folders) {
      if (isKnown(found.topic, found.topicId)) continue;
      this.#logger.warn(
        { topic: found.topic, partition: found.partition },
        'removed the folder of a deleted topic',
      );
      this.#disk.remove(join(this.path, folderName(found)));
    }
  }

  /** Opens the folder of a known partition, recovering it if need be. */
  async open(request: OpenRequest): Promise<PartitionLog> {
    const name = folderName(request);
    const directory = join(this.path, name);
    // INV-4: a folder of an earlier topic with this name is not this topic's.
    const foundId = this.#topicIdOf(name);
    if (foundId === undefined && this.#disk.list(directory).some((file) => file.endsWith('.log'))) {
      throw brokerError('broker.log_corrupt', `${directory} has records but no readable partition.metadata.`);
    }
    if (foundId !== request.topicId) return this.create(request);
    const state = await recoverLog({
      disk: this.#disk,
      logger: this.#logger,
      directory,
      topic: request.topic,
      partition: request.partition,
      internal: request.internal,
      clean: this.#clean,
      recoveryPoint: this.#recoveryPoints.get(name) ?? 0,
      startOffset: this.#logStarts.get(name) ?? 0,
      mayHaveGaps: request.mayHaveGaps ?? request.config.compacted,
      indexIntervalBytes: request.config.indexIntervalBytes,
      nowMs: this.#env.clock.nowMs(),
    });
    return this.#register(name, new PartitionLog(this.#env, state, request.config));
  }

  /** Makes the durable, empty folder of a new partition. @throws KafkaFailure when the broker closes meanwhile */
  async create(request: OpenRequest): Promise<PartitionLog> {
    const name = folderName(request);
    const directory = join(this.path, name);
    await this.#forget(name);
    this.#disk.remove(directory);
    this.#disk.makeDirectory(directory);
    await writeAtomically(
      this.#disk,
      join(directory, 'partition.metadata'),
      formatPartitionMetadata(request.topicId),
    );
    await this.#disk.syncDirectory(this.path);
    const state = {
      directory,
      topic: request.topic,
      partition: request.partition,
      internal: request.internal,
      segments: [],
      startOffset: 0,
      endOffset: 0,
      recoveryPoint: 0,
      epochs: [],
      epochsChanged: false,
      producers: new ProducerState(),
    };
    // The marker of a clean shutdown speaks of all logs: one that comes too late to be closed with them holds nothing.
    if (this.#closing)
      throw new KafkaFailure(
        request.internal ? KafkaErrors.COORDINATOR_NOT_AVAILABLE : KafkaErrors.NOT_CONTROLLER,
        'The broker is shutting down.',
      );
    return this.#register(name, new PartitionLog(this.#env, state, request.config));
  }

  /** Ends a partition and deletes its folder; the new name keeps a crash from finding it again. */
  delete(log: PartitionLog, topicId: string): void {
    log.abandon();
    const name = folderName(log);
    this.#logs.delete(name);
    if (!this.#disk.exists(log.directory)) return;
    const suffix = `.${topicId}-delete`;
    const doomed = join(this.path, `${name.slice(0, MAX_NAME - suffix.length)}${suffix}`);
    this.#disk.rename(log.directory, doomed);
    this.#disk.remove(doomed);
  }

  /** Makes durable which folders there are. */
  sync(): Promise<void> {
    return this.#disk.syncDirectory(this.path);
  }

  /** Stores how far each partition is durable and where it starts, when that changed. Tried again by the next one. */
  checkpoint(): Promise<void> {
    return this.store().catch((error: unknown) => {
      this.#logger.warn({ err: toError(error) }, 'the checkpoints could not be stored');
    });
  }

  /** Closes all logs and leaves the marker of a clean shutdown. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#env.space.release();
    const closed = await Promise.allSettled([...this.#logs.values()].map((log) => log.close()));
    const failed = closed.find((result) => result.status === 'rejected');
    if (failed) this.#logger.error({ err: toError(failed.reason) }, 'a log could not be closed cleanly');
    if (failed || this.#env.storageFailed()) return;
    await this.checkpoint();
    await writeAtomically(this.#disk, join(this.path, REPLICATION), this.#storedPoints);
    await writeAtomically(this.#disk, join(this.path, CLEAN_MARKER), '{"version":0,"brokerEpoch":-1}');
  }

  /** INV-4: what was stored for an earlier topic of this name does not count for a new one. */
  async #forget(name: string): Promise<void> {
    this.#recoveryPoints.delete(name);
    this.#logStarts.delete(name);
    // One under way may have begun while the earlier topic was there.
    await this.#storing;
    if (this.#checkpointed.has(name)) await this.store();
  }

  /** As `checkpoint`, for who answers for it. @throws when the disk does */
  store(): Promise<void> {
    const stored = this.#storing.then(() => this.#storeCheckpoints());
    this.#storing = stored.catch(() => undefined);
    return stored;
  }

  async #storeCheckpoints(): Promise<void> {
    const points = new Map(this.#recoveryPoints);
    const starts = new Map(this.#logStarts);
    for (const [name, log] of this.#logs) {
      points.set(name, log.durableOffset);
      // Also where the first segment begins there: those before it may come back when the power fails.
      if (log.startOffset > 0) starts.set(name, log.startOffset);
    }
    const pointsText = formatOffsetCheckpoint(points);
    const startsText = formatOffsetCheckpoint(starts);
    if (startsText !== this.#storedStarts) {
      await writeAtomically(this.#disk, join(this.path, LOG_STARTS), startsText);
      this.#storedStarts = startsText;
    }
    if (pointsText !== this.#storedPoints) {
      await writeAtomically(this.#disk, join(this.path, RECOVERY_POINTS), pointsText);
      this.#storedPoints = pointsText;
    }
    this.#checkpointed = new Set([...points.keys(), ...starts.keys()]);
  }

  #topicIdOf(name: string): string | undefined {
    const bytes = this.#disk.readFile(join(this.path, name, 'partition.metadata'));
    return bytes && parsePartitionMetadata(bytes.toString('utf8'));
  }

  #register(name: string, log: PartitionLog): PartitionLog {
    this.#logs.set(name, log);
    this.#recoveryPoints.delete(name);
    this.#logStarts.delete(name);
    return log;
  }

  #readCheckpoint(name: string): OffsetCheckpoint {
    const text = this.#disk.readFile(join(this.path, name))?.toString('utf8');
    return (text && parseOffsetCheckpoint(text)) || new Map<string, number>();
  }
}

function folderName(partition: { readonly topic: string; readonly partition: number }): string {
  return `${partition.topic}-${partition.partition}`;
}
