// What the clients of a model run sent and were told, and what therefore must be in the logs. A record is known by its
// id, which it carries as a header; an offset once told in an answer, or read, belongs to that record for ever.

/** How far the client got with a transaction; what it was told is decided, what it only asked for is not. */
export type Outcome = 'open' | 'commit asked' | 'abort asked' | 'committed' | 'aborted';

export interface ModelTransaction {
  readonly name: string;
  outcome: Outcome;
  /** The broker may end it by itself. */
  readonly mayTimeOut: boolean;
  readonly records: SentRecord[];
  /** Offsets that were added to it, by `group/partition`. */
  readonly commits: Map<string, number>;
  /** Those of them that were acknowledged; the others may be in it or not. */
  readonly acknowledged: Set<string>;
}

export interface SentRecord {
  readonly id: string;
  readonly log: ModelLog;
  /** Records of one stream are in the log in the order of `order`. */
  readonly stream: string;
  readonly order: number;
  readonly key: string;
  readonly value: string | null;
  readonly transaction: ModelTransaction | undefined;
  /** Once it was told or read. */
  offset: number | undefined;
  /** The broker said that it did not take it. */
  refused: boolean;
}

export interface ModelLog {
  readonly topic: string;
  readonly partition: number;
  readonly kind: 'plain' | 'compacted' | 'retained';
  readonly sent: Map<string, SentRecord>;
  /** Offset -> the record there, from answers and reads. */
  readonly at: Map<number, SentRecord>;
  /** Written with acks=1 and answered, but not yet below a high watermark that was told. */
  readonly unflushed: Map<number, SentRecord>;
  /** The furthest values that answers gave. */
  highWatermark: number;
  stable: number;
  start: number;
  /** The furthest DeleteRecords that was sent. */
  deletedAsked: number;
}

/** Committed offsets of one group and partition. */
interface Commit {
  told: number;
  /** Sent after it, without an answer. */
  readonly maybe: Set<number>;
}

/** Throws when the broker broke a promise. */
export function must(condition: boolean, text: () => string): asserts condition {
  if (!condition) throw new Error(`model: ${text()}`);
}

/** The broker answered with an error; one that is ending may. */
export class Refused extends Error {}

/** Throws unless the code of an answer is 0. */
export function mustAnswer(code: number | undefined, text: () => string): void {
  if (code !== 0) throw new Refused(`model: ${text()} answered ${code}`);
}

export class Ledger {
  readonly logs: ModelLog[] = [];
  readonly transactions = new Set<ModelTransaction>();
  readonly commits = new Map<string, Commit>();
  /** How often each thing happened, to see that a run did something. */
  readonly counts = new Map<string, number>();
  /** Everything that was counted. */
  done = 0;
  #nextId = 0;

  count(what: string): void {
    this.done++;
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  addLog(topic: string, partition: number, kind: ModelLog['kind']): ModelLog {
    const log: ModelLog = {
      topic,
      partition,
      kind,
      sent: new Map(),
      at: new Map(),
      unflushed: new Map(),
      highWatermark: 0,
      stable: 0,
      start: 0,
      deletedAsked: 0,
    };
    this.logs.push(log);
    return log;
  }

  /** Notes that a record is about to be sent. */
  send(
    log: ModelLog,
    from: {
      stream: string;
      order: number;
      key?: string;
      tombstone?: boolean;
      transaction?: ModelTransaction;
    },
  ): SentRecord {
    const id = `r${this.#nextId++}`;
    const record: SentRecord = {
      id,
      log,
      stream: from.stream,
      order: from.order,
      key: from.key ?? from.stream,
      value: from.tombstone ? null : `${id} of ${from.stream}`,
      transaction: from.transaction,
      offset: undefined,
      refused: false,
    };
    log.sent.set(id, record);
    from.transaction?.records.push(record);
    return record;
  }

  /** A record stands at an offset, as an answer or a read says. */
  place(record: SentRecord, offset: number): void {
    const { log } = record;
    const where = `${log.topic}-${log.partition}`;
    must(!record.refused, () => `${record.id} was refused and is at ${where} ${offset}`);
    must(record.offset === undefined || record.offset === offset, () => {
      return `${record.id} is at ${where} ${offset} and was at ${record.offset}`;
    });
    const other = log.at.get(offset);
    must(other === undefined || other === record, () => {
      return `${where} ${offset} holds ${record.id} and held ${other?.id}`;
    });
    record.offset = offset;
    log.at.set(offset, record);
  }

  /** An answer gave a high watermark: what it covers is durable. */
  raiseEnd(log: ModelLog, highWatermark: number): void {
    log.highWatermark = Math.max(log.highWatermark, highWatermark);
    for (const [offset, record] of log.unflushed) {
      if (offset >= log.highWatermark) continue;
      log.unflushed.delete(offset);
      this.place(record, offset);
    }
  }

  /** Forgets what an unclean end may take: answers to acks=1 that no high watermark covered. */
  crash(): void {
    for (const log of this.logs) log.unflushed.clear();
  }

  commitSent(key: string, offset: number): void {
    this.#commit(key).maybe.add(offset);
  }
  commitTold(key: string, offset: number): void {
    const commit = this.#commit(key);
    commit.told = offset;
    // Those of a key rise: what was sent before cannot come any more.
    for (const other of commit.maybe) if (other <= offset) commit.maybe.delete(other);
  }
  commitRefused(key: string, offset: number): void {
    this.#commit(key).maybe.delete(offset);
  }
  /** A read gave a committed offset (-1: none): it is what was told, or what was sent after it. */
  commitRead(key: string, offset: number): void {
    const commit = this.#commit(key);
    must(offset === commit.told || commit.maybe.has(offset), () => {
      return `${key} has ${offset}; told ${commit.told}, perhaps ${[...commit.maybe].join()}`;
    });
    this.commitTold(key, offset);
  }

  /** A transaction is over as the client was told, or as it can be seen. */
  decide(transaction: ModelTransaction, outcome: 'committed' | 'aborted'): void {
    const before = transaction.outcome;
    if (before === outcome) return;
    const allowed = outcome === 'committed' ? before === 'commit asked' : before !== 'committed';
    must(allowed, () => `${transaction.name} is ${outcome} and was ${before}`);
    transaction.outcome = outcome;
    for (const [key, offset] of transaction.commits) {
      const isNewest = this.#commit(key).maybe.has(offset);
      if (outcome === 'aborted') this.commitRefused(key, offset);
      else if (isNewest && transaction.acknowledged.has(key)) this.commitTold(key, offset);
    }
  }

  #commit(key: string): Commit {
    let commit = this.commits.get(key);
    if (!commit) {
      commit = { told: -1, maybe: new Set() };
      this.commits.set(key, commit);
    }
    return commit;
  }
}
