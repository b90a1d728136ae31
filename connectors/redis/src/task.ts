// The sink task: takes records, writes them in batches, and lets offsets be committed only when Redis has answered.
// Whatever Redis forgot is written again: the progress marker that lies in Redis itself says how far it really is.
import type {
  PartitionPosition,
  SinkRecord,
  SinkTask,
  SinkTaskContext,
  TopicPartition,
} from '@millrace/connect-api';
import { type Logger, MillraceError, silentLogger, toError } from '@millrace/foundation';
import { Redis } from 'ioredis';
import { parseRedisConfig, type RedisConfig } from './config.ts';
import { redisError } from './errors.ts';
import { compileMapping, type ToWrite, type Write } from './mapping.ts';
import { MarkerLost, markerOffset, needsStored, type Progress, RedisWriter } from './writer.ts';

interface Partition extends Progress {
  /** The next offset we have not taken yet: what a repeated `put` may skip. */
  taken: number;
  /** Where reading started. */
  start: number;
  /** The next offset after what Redis has; undefined until something was written since open. */
  written: number | undefined;
}

/** A batch that was sent and not looked after yet. */
interface UnderWay {
  readonly batch: readonly Write[];
  readonly progress: ReadonlyMap<Partition, number>;
  /** Resolves with what went wrong. */
  readonly done: Promise<unknown>;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Batches sent before the first is answered: while Redis works on one, the next is prepared. */
const MOST_UNDER_WAY = 2;
/** A batch of large values is sent before it has its number of records. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

export class RedisSinkTask implements SinkTask {
  readonly #partitions = new Map<string, Partition>();
  #context: SinkTaskContext | undefined;
  #config: RedisConfig | undefined;
  #redis: Redis | undefined;
  #writer: RedisWriter | undefined;
  #toWrite: ToWrite | undefined;
  #logger: Logger = silentLogger;
  /** Taken and not yet sent, in order; bounded by the worker's batches, since `put` writes when it is full. */
  #pending: Write[] = [];
  /** Sent, in order. */
  #underWay: UnderWay[] = [];
  #pendingSinceMs = 0;
  /** The connection was lost since the markers were looked at. */
  #suspicious = false;

  async start(context: SinkTaskContext): Promise<void> {
    const config = parseRedisConfig(context.config);
    this.#context = context;
    this.#config = config;
    this.#logger = context.logger;
    this.#toWrite = compileMapping(config);
    const redis = new Redis(config.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: config.commandTimeoutMs + (config.waitReplicas > 0 ? config.waitTimeoutMs : 0),
      retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
      reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
      ...(config.username === undefined ? {} : { username: config.username }),
      ...(config.password === undefined ? {} : { password: config.password }),
      connectionName: `millrace-${context.connectorName}`.replaceAll(/\s/g, '-'),
    });
    redis.on('error', (error) => this.#logger.debug({ err: error }, 'Redis connection error'));
    redis.on('close', () => {
      this.#suspicious = true;
    });
    this.#redis = redis;
    this.#writer = new RedisWriter(redis, context.connectorName, config);
    try {
      await redis.connect();
    } catch (error) {
      throw redisError(error, `${redis.options.host}:${redis.options.port}`);
    }
  }

  async open(
    partitions: readonly TopicPartition[],
    committed: readonly PartitionPosition[],
  ): Promise<readonly PartitionPosition[]> {
    const { context } = this.#started();
    for (const { topic, partition } of partitions) {
      const lineage = `${await context.topicId(topic)}:${partition}`;
      this.#partitions.set(keyOf({ topic, partition }), {
        topic,
        partition,
        lineage,
        marker: '',
        expected: '',
        taken: 0,
        start: 0,
        written: undefined,
      });
    }
    return this.#align(partitions, committed);
  }

  /**
   * Compares the group's positions with the markers in Redis and says where to start: the earlier of the two, from
   * the beginning where Redis knows nothing of what was committed.
   */
  async #align(
    partitions: readonly TopicPartition[],
    committed: readonly PartitionPosition[],
  ): Promise<PartitionPosition[]> {
    const { writer } = this.#started();
    const progress = partitions.flatMap((each) => this.#partitions.get(keyOf(each)) ?? []);
    const markers = await writer.readMarkers(progress);
    const positions: PartitionPosition[] = [];
    for (const [i, each] of progress.entries()) {
      const marker = markers[i] ?? '';
      const group = committed.find(
        (position) => position.topic === each.topic && position.partition === each.partition,
      )?.offset;
      const marked = markerOffset(marker, each.lineage);
      const start = this.#startOf(each, group, marked);
      each.marker = marked === undefined ? '' : marker;
      each.expected = each.marker;
      each.taken = start ?? 0;
      each.start = each.taken;
      each.written = undefined;
      if (start !== undefined)
        positions.push({ topic: each.topic, partition: each.partition, offset: start });
    }
    this.#suspicious = false;
    return positions;
  }

  #startOf(partition: Partition, group: number | undefined, marked: number | undefined): number | undefined {
    // Without a group position the worker's reset policy decides; repeats are fenced.
    if (group === undefined || group === 0) return group;
    return marked === undefined ? this.#afterLoss(partition, group) : Math.min(group, marked);
  }

  /** INV-9: what Redis no longer holds is written again, unless the user decided otherwise. */
  #afterLoss(partition: Partition, position: number): number {
    const { config } = this.#started();
    const what = `Redis holds no progress marker of ${partition.topic}-${partition.partition}, of which ${position} records were written: it was emptied or failed over.`;
    if (config.markerMissing === 'fail')
      throw new MillraceError('redis.marker_missing', what, { configKey: 'redis.marker.missing' });
    if (config.markerMissing === 'continue') {
      this.#logger.warn(
        { topic: partition.topic, partition: partition.partition, position },
        `${what} Going on (redis.marker.missing=continue).`,
      );
      return position;
    }
    this.#logger.warn(
      { topic: partition.topic, partition: partition.partition },
      `${what} Writing the topic again from its beginning.`,
    );
    return 0;
  }

  async put(records: readonly SinkRecord[], _signal: AbortSignal): Promise<void> {
    const { config, context, toWrite } = this.#started();
    // These records were read ahead of the position we go back to: they come again.
    if (await this.#wentBack()) return;
    const nowMs = context.clock.monotonicMs();
    let partition: Partition | undefined;
    for (const record of records) {
      const { original } = record;
      if (partition?.partition !== original.partition || partition.topic !== original.topic)
        partition = this.#partitions.get(keyOf(original));
      if (!partition || original.offset < partition.taken) continue; // a repeat of what is pending or written
      try {
        const write = toWrite(record);
        if (this.#pending.length === 0) this.#pendingSinceMs = nowMs;
        this.#pending.push(write);
      } catch (error) {
        if (!context.errantRecords || !(error instanceof Error)) throw error;
        await context.errantRecords.report(record, error);
      }
      partition.taken = original.offset + 1;
    }
    const due = nowMs - this.#pendingSinceMs >= config.batchLingerMs;
    if (!due && this.#pending.length < config.batchSize) return;
    // With much to do the last batches are looked after by the next call, so that Redis has work meanwhile.
    await this.#flush(2 * records.length >= config.batchSize ? MOST_UNDER_WAY : 0);
  }

  /**
   * Writes everything pending, in script calls of at most the batch size; returns when at most `mostUnderWay` of them
   * are not answered. False when Redis lost data: reading goes back.
   */
  async #flush(mostUnderWay: number): Promise<boolean> {
    while (this.#pending.length > 0) {
      const batch = this.#nextBatch();
      // WAIT fails for what is written already; documents that build on stored ones have to see those.
      const alone = this.#started().config.waitReplicas > 0 || needsStored(batch);
      if (!(await this.#settle(alone ? 0 : MOST_UNDER_WAY - 1))) return false;
      if (this.#pending[0] !== batch[0]) continue; // a batch before it has to be written again
      this.#pending.splice(0, batch.length);
      this.#send(batch);
      if (alone && !(await this.#settle(0))) return false;
    }
    if (!(await this.#settle(mostUnderWay))) return false;
    if (this.#pending.length > 0) return this.#flush(mostUnderWay);
    if (this.#underWay.length > 0) return true;
    // Records that were dropped or reported leave no write; their partitions move on all the same.
    for (const partition of this.#partitions.values()) {
      if (partition.taken > (partition.written ?? partition.start)) partition.written = partition.taken;
    }
    return true;
  }

  #nextBatch(): readonly Write[] {
    const { batchSize } = this.#started().config;
    let bytes = 0;
    let count = 0;
    while (count < this.#pending.length && count < batchSize && bytes < MAX_BATCH_BYTES) {
      for (const value of this.#pending[count]?.values ?? []) bytes += value?.length ?? 0;
      count++;
    }
    return this.#pending.slice(0, count);
  }

  #send(batch: readonly Write[]): void {
    const progress = new Map<Partition, number>();
    let partition: Partition | undefined;
    for (const { record } of batch) {
      const { original } = record;
      if (partition?.partition !== original.partition || partition.topic !== original.topic)
        partition = this.#partitions.get(keyOf(original));
      if (partition) progress.set(partition, original.offset + 1);
    }
    const done = this.#started()
      .writer.write(batch, progress)
      .then(
        () => undefined,
        (error: unknown) => toError(error),
      );
    this.#underWay.push({ batch, progress, done });
  }

  /** Looks after what was sent until at most `most` is left. False when Redis lost data: reading goes back. */
  async #settle(most: number): Promise<boolean> {
    while (this.#underWay.length > most) {
      const [first] = this.#underWay;
      if (!first) break;
      const error = await first.done;
      if (error === undefined) {
        this.#underWay.shift();
        // INV-1: only what Redis answered for counts as written.
        for (const [partition, next] of first.progress) partition.written = next;
        continue;
      }
      // INV-2: what was sent behind it is written again after it; of its own partitions nothing was written.
      await this.#takeBack();
      if (error instanceof MarkerLost) {
        await this.#recover();
        return false;
      }
      const wrongType = error instanceof MillraceError && error.code === 'redis.wrong_type';
      if (!wrongType || !this.#started().context.errantRecords) throw error;
      await this.#writeEach(first.batch);
      for (const [partition, next] of first.progress) partition.written = next;
      this.#pending.splice(0, first.batch.length);
    }
    return true;
  }

  /** Waits until nothing is under way and makes all of it pending again. */
  async #takeBack(): Promise<void> {
    const underWay = this.#underWay;
    this.#underWay = [];
    for (const { done } of underWay) await done;
    this.#pending = [...underWay.flatMap(({ batch }) => batch), ...this.#pending];
  }

  /** One record at a time, so that only those that Redis refuses are reported. */
  async #writeEach(batch: readonly Write[]): Promise<void> {
    const { context, writer } = this.#started();
    for (const write of batch) {
      const partition = this.#partitions.get(keyOf(write.record.original));
      if (!partition) continue;
      try {
        await writer.write([write], new Map([[partition, write.record.original.offset + 1]]));
      } catch (error) {
        if (!(error instanceof MillraceError) || error.code !== 'redis.wrong_type') throw error;
        await context.errantRecords?.report(write.record, error);
      }
    }
  }

  /** After a lost connection: does Redis still hold what we wrote? True when it does not and reading goes back. */
  async #wentBack(): Promise<boolean> {
    if (!this.#suspicious) return false;
    await this.#takeBack();
    const { writer } = this.#started();
    const known = [...this.#partitions.values()].filter((partition) => partition.marker !== '');
    const markers = await writer.readMarkers(known);
    this.#suspicious = false;
    if (known.every((partition, i) => partition.marker === markers[i])) return false;
    await this.#recover();
    return true;
  }

  /** Redis lost data while we ran: go back to where it really is. */
  async #recover(): Promise<void> {
    const { context } = this.#started();
    const all = [...this.#partitions.values()];
    const reached = all
      .filter((partition) => partition.marker !== '' || partition.written !== undefined)
      .map(({ topic, partition, lineage, marker, taken }) => ({
        topic,
        partition,
        offset: markerOffset(marker, lineage) ?? taken,
      }));
    this.#pending = [];
    const positions = await this.#align(all, reached);
    context.seek(positions);
  }

  async preCommit(delivered: readonly PartitionPosition[]): Promise<readonly PartitionPosition[]> {
    if (await this.#wentBack()) return [];
    if (!(await this.#flush(0))) return [];
    return (await this.#moveMarkers(delivered)) ? delivered : [];
  }

  /**
   * Records that a transform dropped leave no write, so the markers follow what was delivered: else the next start
   * would take a topic whose last records were dropped for one that Redis lost. False when Redis lost data.
   */
  async #moveMarkers(delivered: readonly PartitionPosition[]): Promise<boolean> {
    const behind = new Map<Partition, number>();
    for (const position of delivered) {
      const partition = this.#partitions.get(keyOf(position));
      if (!partition) continue;
      const marked = markerOffset(partition.marker, partition.lineage) ?? -1;
      if (position.offset > marked) behind.set(partition, position.offset);
    }
    if (behind.size === 0) return true;
    try {
      await this.#started().writer.write([], behind);
      return true;
    } catch (error) {
      if (!(error instanceof MarkerLost)) throw error;
      await this.#recover();
      return false;
    }
  }

  async close(partitions: readonly TopicPartition[]): Promise<void> {
    const gone = new Set(partitions.map(keyOf));
    await this.#takeBack();
    this.#pending = this.#pending.filter((write) => !gone.has(keyOf(write.record.original)));
    for (const key of gone) this.#partitions.delete(key);
  }

  async stop(): Promise<void> {
    this.#redis?.disconnect();
    this.#redis = undefined;
    await this.#takeBack();
    this.#pending = [];
  }

  #started(): { context: SinkTaskContext; config: RedisConfig; writer: RedisWriter; toWrite: ToWrite } {
    if (!this.#context || !this.#config || !this.#writer || !this.#toWrite)
      throw new Error('the task was not started');
    return { context: this.#context, config: this.#config, writer: this.#writer, toWrite: this.#toWrite };
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}:${topic}`;
}
