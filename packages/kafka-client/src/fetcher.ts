// The consumer's data side: positions in, records out. It knows no groups and no policy: an offset that the log no
// longer has is an error for whoever called, never a jump (INV-3). One request per leader is under way while the
// caller works on the records of the answer before; a partition has two answers at most, one of them untouched.
import { type Clock, type MillraceError, toError } from '@millrace/foundation';
import { API, KafkaErrors, type KafkaRecord } from '@millrace/kafka-protocol';
import { Arrival } from './arrival.ts';
import { backoffMs } from './backoff.ts';
import { type Cluster, isConnectionProblem } from './cluster.ts';
import { asCoded, brokerError, clientError } from './errors.ts';
import {
  type Asking,
  dropFetched,
  type FetchResponse,
  isCut,
  moveTo,
  newState,
  PASSING_ERRORS,
  type PartitionAnswer,
  type PartitionState,
  placeToAsk,
  sizeOf,
  toNextAnswer,
  type Wanted,
} from './fetch-state.ts';
import { FetchedPartition, type Place } from './fetched-partition.ts';
import type { FetchedRecords, FetcherOptions, PollOptions, ReadProblem } from './fetcher-options.ts';
import { ANSWER_SLACK_MS } from './given-up.ts';
import { listOffsets } from './list-offsets.ts';
import { byTopic, partitionKey, type TopicPartition, type TopicPartitionOffset } from './topic-partition.ts';

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_PARTITION_BYTES = 4 * 1024 * 1024;
const DEFAULT_MAX_WAIT_MS = 500;
/**
 * Where nothing has come for long, brokers are asked less often: 200 idle consumers would cost a tenth of a core. A broker
 * that hangs must be named within 30 s (INV-7), so it cannot be much longer.
 */
const QUIET_MAX_WAIT_MS = 10_000;
const QUIET_ANSWERS = 4;
const DEFAULT_MAX_RECORDS = 4096;
const NO_TOPIC_ID = 'A'.repeat(22);
const E = KafkaErrors;

export class Fetcher implements AsyncDisposable {
  readonly #options: FetcherOptions;
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #lane: string;
  readonly #partitions = new Map<string, PartitionState>();
  /** Brokers with a request under way. */
  readonly #busyNodes = new Map<number, Asking>();
  /** How often in a row a broker had nothing. */
  readonly #quiet = new Map<number, number>();
  readonly #stop = new AbortController();
  #errors: MillraceError[] = [];
  #refreshing = false;
  readonly #arrival = new Arrival();

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#lane = options.cluster.newLane('fetch');
  }

  /** Replaces the assignment. Partitions that stay keep their position only if it is the one given. */
  assign(positions: readonly TopicPartitionOffset[]): void {
    const wanted = new Set(positions.map(({ topic, partition }) => partitionKey(topic, partition)));
    for (const key of this.#partitions.keys()) if (!wanted.has(key)) this.#partitions.delete(key);
    this.add(positions);
  }

  /** Adds partitions, or moves those that are there. */
  add(positions: readonly TopicPartitionOffset[]): void {
    let changed = false;
    for (const { topic, partition, offset } of positions) {
      const known = this.#partitions.get(partitionKey(topic, partition));
      if (known) changed = moveTo(known, offset) || changed;
      else {
        this.#partitions.set(partitionKey(topic, partition), newState(topic, partition, offset));
        changed = true;
      }
    }
    if (changed) this.#askAnew();
    this.#arrival.wake();
  }

  remove(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#partitions.delete(partitionKey(topic, partition));
  }

  get assignment(): TopicPartition[] {
    return [...this.#partitions.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  /** Moves a partition; what was fetched for it and not delivered is dropped. */
  seek(topic: string, partition: number, offset: number): void {
    if (moveTo(this.#state(topic, partition), offset)) this.#askAnew();
    this.#arrival.wake();
  }
  /** Delivers nothing more of these until `resume`; what is fetched already is kept. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#state(topic, partition).paused = true;
  }
  resume(partitions: readonly TopicPartition[]): void {
    let changed = false;
    for (const { topic, partition } of partitions) {
      const state = this.#state(topic, partition);
      changed ||= state.paused;
      state.paused = false;
    }
    if (changed) this.#askAnew();
    this.#arrival.wake();
  }

  /** Offset of the next record to be delivered. */
  position(topic: string, partition: number): number | undefined {
    return this.#partitions.get(partitionKey(topic, partition))?.position;
  }
  /** Where the readable log ended in the last answer; -1 before the first. */
  highWatermark(topic: string, partition: number): number | undefined {
    return this.#partitions.get(partitionKey(topic, partition))?.highWatermark;
  }

  /** Why nothing can be read of some partition, or a request that takes longer than it was allowed to; else undefined. */
  get problem(): ReadProblem | undefined {
    for (const { topic, partition, failures, lastError, paused, halted } of this.#partitions.values()) {
      if (failures > 0 && !paused && !halted)
        return { doing: `reading ${topic}-${partition}`, attempt: 'failing', error: lastError };
    }
    for (const [nodeId, { sinceMs, waitMs }] of this.#busyNodes) {
      if (this.#clock.monotonicMs() - sinceMs > waitMs + ANSWER_SLACK_MS)
        return { doing: `waiting for broker ${nodeId}`, attempt: String(sinceMs), error: undefined, sinceMs };
    }
    return undefined;
  }

  /**
   * Records that are there, or the first that come within `maxWaitMs`, which is as exact as `afterRoughly`. Empty when
   * none came.
   *
   * @throws kafka.offset_out_of_range, kafka.log_truncated, kafka.topic_recreated: the partition in the context stands
   *   still until `seek` or `assign`; kafka.corrupt_records, kafka.refused
   */
  async poll(options: PollOptions): Promise<FetchedRecords[]> {
    let deadline = this.#clock.monotonicMs() + options.maxWaitMs;
    for (;;) {
      const error = this.#errors.shift();
      if (error) throw error;
      const found = this.#collect(options.maxRecords ?? DEFAULT_MAX_RECORDS);
      this.#requestMore();
      const nowMs = this.#clock.monotonicMs();
      if (found.length > 0 || nowMs >= deadline || options.signal?.aborted || this.#stop.signal.aborted)
        return found;
      const untilMs = Math.min(deadline, this.#nextRetryMs(nowMs));
      const wentBy = await this.#arrival.wait(untilMs - nowMs, options.signal);
      if (wentBy && untilMs === deadline) deadline = 0;
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#partitions.clear();
    this.#arrival.wake();
    await this.#cluster.closeLane(this.#lane);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- delivering

  #collect(maxRecords: number): FetchedRecords[] {
    const found: FetchedRecords[] = [];
    let left = maxRecords;
    const served: PartitionState[] = [];
    for (const state of this.#partitions.values()) {
      if (left <= 0) break;
      const { topic, partition, highWatermark } = state;
      if (state.paused) continue;
      let records: KafkaRecord[] = [];
      // An answer may hold nothing but records of aborted transactions.
      while (state.data && records.length === 0) records = this.#take(state, state.data, left);
      if (records.length === 0) continue;
      left -= records.length;
      const nextOffset = state.position;
      found.push({ topic, partition, records, nextOffset, highWatermark, sizeInBytes: sizeOf(records) });
      served.push(state);
    }
    // Turns: who was served goes to the end, so that one full partition does not starve the others.
    for (const state of served) {
      const key = partitionKey(state.topic, state.partition);
      this.#partitions.delete(key);
      this.#partitions.set(key, state);
    }
    return found;
  }

  #take(state: PartitionState, data: FetchedPartition, max: number): KafkaRecord[] {
    try {
      const records = data.take(max);
      state.position = data.nextOffset;
      if (data.lastEpoch >= 0) state.lastEpoch = data.lastEpoch;
      if (records.length < max || data.isDone) toNextAnswer(state);
      return records;
    } catch (error) {
      state.halted = true;
      dropFetched(state);
      throw error;
    }
  }

  // ---- asking

  #requestMore(): void {
    if (this.#stop.signal.aborted) return;
    const limit = this.#options.maxBytes ?? DEFAULT_MAX_BYTES;
    let held = 0;
    for (const { data, ahead, paused } of this.#partitions.values())
      if (!paused) held += (data?.bytesLeft ?? 0) + (ahead?.bytesLeft ?? 0);
    if (held >= limit) return;
    const nowMs = this.#clock.monotonicMs();
    const byNode = new Map<number, PartitionState[]>();
    const unknown = new Set<string>();
    for (const state of this.#partitions.values()) {
      if (state.paused || state.halted || state.requested || nowMs < state.retryAtMs) continue;
      if (placeToAsk(state) === undefined) continue;
      const leader = this.#cluster.leaderOf(state.topic, state.partition);
      if (!leader) unknown.add(state.topic);
      else if (this.#sameTopic(state)) {
        const states = byNode.get(leader.nodeId);
        if (states) states.push(state);
        else byNode.set(leader.nodeId, [state]);
      }
    }
    if (unknown.size > 0) this.#refresh(unknown);
    for (const [nodeId, states] of byNode) {
      if (this.#busyNodes.has(nodeId)) continue;
      const asking: Asking = { sinceMs: nowMs, waitMs: this.#waitMs(nodeId), givenUp: false };
      this.#busyNodes.set(nodeId, asking);
      this.#fetch(nodeId, states, asking)
        .catch((error: unknown) => {
          if (!asking.givenUp) this.#onRequestFailed(states, toError(error));
        })
        .finally(() => {
          this.#busyNodes.delete(nodeId);
          this.#arrival.wake();
        });
    }
  }

  #waitMs(nodeId: number): number {
    const { maxWaitMs } = this.#options;
    if (maxWaitMs !== undefined) return maxWaitMs;
    const quiet = this.#quiet.get(nodeId) ?? 0;
    return quiet < QUIET_ANSWERS ? DEFAULT_MAX_WAIT_MS : QUIET_MAX_WAIT_MS;
  }

  /** What is wanted has changed: a request that waits for long is given up, since it would hold up the next. */
  #askAnew(): void {
    this.#quiet.clear();
    const long = [...this.#busyNodes.values()].filter(({ waitMs }) => waitMs === QUIET_MAX_WAIT_MS);
    if (long.length === 0 || this.#options.maxWaitMs !== undefined) return;
    for (const asking of this.#busyNodes.values()) asking.givenUp = true;
    void this.#cluster.closeLane(this.#lane);
  }

  /** Whether a topic is still the one that was read so far. */
  #sameTopic(state: PartitionState): boolean {
    const topicId = this.#cluster.topic(state.topic)?.topicId;
    if (topicId === undefined || topicId === NO_TOPIC_ID) return true;
    state.topicId ??= topicId;
    if (state.topicId === topicId) return true;
    const { topic, partition, position } = state;
    this.#halt(
      state,
      clientError('kafka.topic_recreated', `Topic ${topic} was deleted and created anew while it was read.`, {
        context: { topic, partition, position, topicId: state.topicId, newTopicId: topicId },
      }),
    );
    return false;
  }

  async #fetch(nodeId: number, states: readonly PartitionState[], asking: Asking): Promise<void> {
    const wanted = new Map<string, Wanted>();
    for (const state of states) {
      const { topic, partition, generation } = state;
      const place = placeToAsk(state);
      if (!place) continue;
      state.requested = true;
      wanted.set(partitionKey(topic, partition), { topic, partition, state, generation, place });
    }
    try {
      const connection = await this.#cluster.connection(nodeId, this.#lane);
      const { waitMs } = asking;
      const withIds = states.every(({ topicId }) => topicId !== undefined);
      const version = connection.versionFor(API.Fetch);
      const answer = await connection.request(
        API.Fetch,
        {
          replicaId: -1,
          maxWaitMs: waitMs,
          minBytes: this.#options.minBytes ?? 1,
          maxBytes: this.#options.maxBytes ?? DEFAULT_MAX_BYTES,
          isolationLevel: this.#options.isolation === 'read_committed' ? 1 : 0,
          sessionId: 0,
          sessionEpoch: -1,
          topics: byTopic([...wanted.values()], (one) => this.#partitionRequest(one)).map(
            ({ topic, partitions }) => ({
              topic,
              topicId: this.#cluster.topic(topic)?.topicId ?? NO_TOPIC_ID,
              partitions,
            }),
          ),
          rackId: this.#options.rackId ?? '',
        },
        {
          version: withIds ? version : Math.min(version, LAST_VERSION_BY_NAME),
          timeoutMs: waitMs + this.#cluster.requestTimeoutMs,
        },
      );
      await this.#onAnswer(answer, wanted);
      const quiet = states.every(({ data, failures, halted }) => !data && failures === 0 && !halted);
      this.#quiet.set(nodeId, quiet ? (this.#quiet.get(nodeId) ?? 0) + 1 : 0);
    } finally {
      for (const state of states) state.requested = false;
    }
  }

  #partitionRequest({ topic, partition, place }: Wanted): object {
    return {
      partition,
      currentLeaderEpoch: this.#cluster.leaderOf(topic, partition)?.leaderEpoch ?? -1,
      fetchOffset: place.offset,
      lastFetchedEpoch: place.epoch,
      partitionMaxBytes: this.#options.maxPartitionBytes ?? DEFAULT_PARTITION_BYTES,
    };
  }

  // ---- answers

  async #onAnswer(answer: FetchResponse, wanted: ReadonlyMap<string, Wanted>): Promise<void> {
    if (answer.errorCode !== 0)
      throw brokerError(answer.errorCode, 'Fetching', { code: 'kafka.unavailable' });
    const stale = new Set<string>();
    for (const { topic, topicId, partitions } of answer.responses) {
      const name = topic === '' ? this.#cluster.topicNameOf(topicId) : topic;
      for (const part of partitions) {
        const { state, generation, place } =
          (name && wanted.get(partitionKey(name, part.partitionIndex))) || NOTHING;
        if (!state || state.generation !== generation) continue; // moved or gone meanwhile
        if (PASSING_ERRORS.has(part.errorCode)) {
          this.#backOff(state, brokerError(part.errorCode, `Reading ${state.topic}-${state.partition}`));
          stale.add(state.topic);
        } else if (state.data && (part.errorCode !== 0 || isCut(part))) state.aheadRefused = true;
        else if (part.errorCode === 0) this.#onPartition(state, part, place);
        else await this.#onPartitionError(state, part.errorCode);
      }
    }
    if (stale.size > 0) this.#refresh(stale);
  }

  #onPartition(state: PartitionState, part: PartitionAnswer, place: Place): void {
    const { topic, partition } = state;
    const position = place.offset;
    const committed = this.#options.isolation === 'read_committed';
    state.failures = 0;
    state.highWatermark = Number(committed ? part.lastStableOffset : part.highWatermark);
    state.logStartOffset = Number(part.logStartOffset);
    if (isCut(part)) {
      const logEnd = Number(part.divergingEpoch?.endOffset);
      this.#halt(
        state,
        clientError('kafka.log_truncated', `${topic}-${partition} was cut to ${logEnd}, below ${position}.`, {
          context: { topic, partition, position, logStart: state.logStartOffset, logEnd },
        }),
      );
      return;
    }
    if (!part.records || part.records.length === 0) return;
    const data = new FetchedPartition({
      topic,
      partition,
      bytes: part.records,
      position,
      isolation: this.#options.isolation,
      aborted: part.abortedTransactions ?? [],
    });
    if (state.data) state.ahead = data;
    else state.data = data;
  }

  async #onPartitionError(state: PartitionState, errorCode: number): Promise<void> {
    const { topic, partition, position } = state;
    if (errorCode !== E.OFFSET_OUT_OF_RANGE.code) {
      this.#halt(
        state,
        brokerError(errorCode, `Reading ${topic}-${partition}`, { context: { topic, partition } }),
      );
      return;
    }
    const bounds = { signal: this.#stop.signal, isolation: this.#options.isolation };
    const [first, last] = await Promise.all([
      listOffsets(this.#cluster, [{ topic, partition }], 'earliest', bounds),
      listOffsets(this.#cluster, [{ topic, partition }], 'latest', bounds),
    ]);
    const logStart = first[0]?.offset ?? -1;
    const logEnd = last[0]?.offset ?? -1;
    // INV-3: the position is gone; where to go on is the caller's to decide.
    this.#halt(
      state,
      brokerError(errorCode, `Reading ${topic}-${partition} at ${position}`, {
        code: 'kafka.offset_out_of_range',
        detail: `The log has offsets ${logStart} to ${logEnd}`,
        context: { topic, partition, position, logStart, logEnd },
      }),
    );
  }

  #onRequestFailed(states: readonly PartitionState[], error: Error): void {
    if (this.#stop.signal.aborted) return;
    for (const state of states) {
      if (isConnectionProblem(error)) this.#backOff(state, error);
      else state.halted = true;
    }
    if (!isConnectionProblem(error)) this.#errors.push(asCoded(error));
    else {
      this.#options.logger.debug({ err: error }, 'a fetch failed, trying again');
      this.#refresh(new Set(states.map(({ topic }) => topic)));
    }
  }

  #halt(state: PartitionState, error: MillraceError): void {
    state.halted = true;
    dropFetched(state);
    this.#errors.push(error);
  }

  #backOff(state: PartitionState, error: Error): void {
    state.failures++;
    state.lastError = error;
    state.retryAtMs = this.#clock.monotonicMs() + backoffMs(state.failures);
  }

  #refresh(topics: ReadonlySet<string>): void {
    if (this.#refreshing) return;
    this.#refreshing = true;
    this.#cluster
      .refresh({ topics: [...topics], signal: this.#stop.signal })
      .then((problems) => {
        for (const state of this.#partitions.values()) {
          if (this.#cluster.leaderOf(state.topic, state.partition)) continue;
          const problem = problems.find(({ name }) => name === state.topic);
          if (problem?.kafkaCode === KafkaErrors.TOPIC_AUTHORIZATION_FAILED.code) {
            this.#halt(state, brokerError(problem.kafkaCode, `Topic ${state.topic}`));
            continue;
          }
          this.#backOff(
            state,
            clientError('kafka.unavailable', `${state.topic}-${state.partition} has no leader.`),
          );
        }
      })
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.logger.warn({ err: toError(error) }, 'metadata cannot be refreshed');
        // A login that is refused will be refused again: whoever reads has to know.
        const states = [...this.#partitions.values()].filter(({ topic }) => topics.has(topic));
        if (!isConnectionProblem(error)) this.#onRequestFailed(states, toError(error));
      })
      .finally(() => {
        this.#refreshing = false;
        this.#arrival.wake();
      });
  }

  // ---- waiting

  #nextRetryMs(nowMs: number): number {
    let next = Infinity;
    for (const { retryAtMs, halted } of this.#partitions.values()) {
      if (!halted && retryAtMs > nowMs) next = Math.min(next, retryAtMs);
    }
    return next;
  }

  #state(topic: string, partition: number): PartitionState {
    const state = this.#partitions.get(partitionKey(topic, partition));
    if (!state) throw new Error(`${topic}-${partition} is not assigned`);
    return state;
  }
}

/** From Fetch 13 on, topics are named by id only. */
const LAST_VERSION_BY_NAME = 12;
const NOTHING: { [K in keyof Wanted]?: undefined } = {};
