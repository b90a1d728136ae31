// Fetch sessions (KIP-227): a client names its partitions once and then only what changed; the answers hold only
// partitions with news. One cache for the whole broker, bounded in sessions.
import { randomInt } from 'node:crypto';
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';

type FetchRequest = RequestBody<typeof API.Fetch>;

const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const MAX_EPOCH = 2_147_483_647;
/** A session in use is not thrown out for a new one before it was idle this long. */
const EVICTION_MS = 120_000;

/** A partition a client wants to read. */
export interface AskedPartition {
  readonly topicName: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

/** What a client was last told of a partition. */
interface Told {
  highWatermark: number;
  logStartOffset: number;
}

interface SessionPartition {
  asked: AskedPartition;
  told: Told | undefined;
}

/** One client's session; `id` 0 is none. */
export class FetchSession {
  readonly id: number;
  epoch: number = INITIAL_EPOCH;
  lastUsedMs: number;
  readonly partitions: Map<string, SessionPartition> = new Map();

  constructor(id: number, nowMs: number) {
    this.id = id;
    this.lastUsedMs = nowMs;
  }

  /** Whether the client must be told of a partition without records; notes what it will know. */
  hasNews(
    asked: AskedPartition,
    answer: { errorCode: number; highWatermark: number; logStartOffset: number },
  ): boolean {
    const known = this.partitions.get(keyOf(asked));
    if (!known) return true;
    const { highWatermark, logStartOffset } = answer;
    const told = known.told;
    const isNews =
      answer.errorCode !== 0 ||
      told?.highWatermark !== highWatermark ||
      told.logStartOffset !== logStartOffset;
    // After an error the client must hear of the partition again, whatever it was told before.
    known.told = answer.errorCode === 0 ? { highWatermark, logStartOffset } : undefined;
    return isNews;
  }

  /** Puts a partition that got records last, so that the others come first next time. */
  served(asked: AskedPartition): void {
    const key = keyOf(asked);
    const known = this.partitions.get(key);
    if (!known) return;
    this.partitions.delete(key);
    this.partitions.set(key, known);
  }
}

/** What a request is about once its session is known. */
export type FetchScope =
  | {
      readonly error?: undefined;
      readonly asked: readonly AskedPartition[];
      readonly session: FetchSession | undefined;
      /** Only partitions with news are answered. */
      readonly incremental: boolean;
    }
  | { readonly error: ErrorAnswer };

export class FetchSessions {
  readonly #maxSessions: number;
  readonly #nowMs: () => number;
  /** In the order of last use. */
  readonly #sessions = new Map<number, FetchSession>();

  constructor(maxSessions: number, nowMs: () => number) {
    this.#maxSessions = maxSessions;
    this.#nowMs = nowMs;
  }

  /** Finds out which partitions a request is about, opening or changing its session. */
  scopeOf(request: FetchRequest): FetchScope {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      this.#sessions.delete(sessionId);
      const asked = askedPartitions(request);
      const session = sessionEpoch === INITIAL_EPOCH && asked.length > 0 ? this.#open(asked) : undefined;
      return { asked, session, incremental: false };
    }
    const session = this.#sessions.get(sessionId);
    if (!session) return { error: KafkaErrors.FETCH_SESSION_ID_NOT_FOUND };
    if (sessionEpoch !== session.epoch) return { error: KafkaErrors.INVALID_FETCH_SESSION_EPOCH };
    session.epoch = session.epoch === MAX_EPOCH ? 1 : session.epoch + 1;
    this.#touch(session);
    change(session, request);
    if (session.partitions.size === 0) {
      this.#sessions.delete(sessionId);
      return { asked: [], session: undefined, incremental: false };
    }
    return { asked: [...session.partitions.values()].map(({ asked }) => asked), session, incremental: true };
  }

  #open(asked: readonly AskedPartition[]): FetchSession | undefined {
    const now = this.#nowMs();
    if (this.#sessions.size >= this.#maxSessions) {
      const oldest = this.#sessions.values().next().value;
      if (!oldest || now - oldest.lastUsedMs < EVICTION_MS) return undefined;
      this.#sessions.delete(oldest.id);
    }
    let id = randomInt(1, MAX_EPOCH);
    while (this.#sessions.has(id)) id = randomInt(1, MAX_EPOCH);
    const session = new FetchSession(id, now);
    session.epoch = 1;
    for (const partition of asked)
      session.partitions.set(keyOf(partition), { asked: partition, told: undefined });
    this.#sessions.set(id, session);
    return session;
  }

  #touch(session: FetchSession): void {
    session.lastUsedMs = this.#nowMs();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }
}

function change(session: FetchSession, request: FetchRequest): void {
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    for (const partition of partitions)
      session.partitions.delete(keyOf({ topicName: topic, topicId, partition }));
  }
  for (const asked of askedPartitions(request)) {
    const key = keyOf(asked);
    const known = session.partitions.get(key);
    if (known) known.asked = asked;
    else session.partitions.set(key, { asked, told: undefined });
  }
}

/** The partitions a request names; the last entry counts where one is named twice. */
function askedPartitions(request: FetchRequest): AskedPartition[] {
  const asked: AskedPartition[] = [];
  let isRepeated = false;
  for (const { topic, topicId, partitions } of request.topics) {
    const seen = new Set<number>();
    for (const entry of partitions) {
      isRepeated ||= seen.has(entry.partition);
      seen.add(entry.partition);
      asked.push({
        topicName: topic,
        topicId,
        partition: entry.partition,
        offset: Number(entry.fetchOffset),
        maxBytes: entry.partitionMaxBytes,
        currentLeaderEpoch: entry.currentLeaderEpoch,
        lastFetchedEpoch: entry.lastFetchedEpoch,
      });
    }
  }
  return isRepeated ? [...new Map(asked.map((entry) => [keyOf(entry), entry])).values()] : asked;
}

function keyOf(asked: { topicName: string; topicId: string; partition: number }): string {
  return `${asked.topicName} ${asked.topicId} ${asked.partition}`;
}
