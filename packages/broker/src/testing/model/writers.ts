// Actors that write without transactions, and those that trim and read.
import type { TestClient } from '../test-client.ts';
import { type ModelLog, must, type SentRecord } from './ledger.ts';
import { checkLog, readEnds } from './reading.ts';
import { type Actor, Ended, type Identity, produce, type Session } from './session.ts';

const OUT_OF_ORDER_SEQUENCE = 45;
/** Batches of a producer that a broker remembers on a partition. */
const WINDOW = 5;

interface SentBatch {
  readonly sequence: number;
  readonly records: readonly SentRecord[];
  offset: number;
}

/** An idempotent producer on one partition: up to five requests in flight, retries, repeats, and gaps that are refused. */
export class IdempotentWriter implements Actor {
  readonly #log: ModelLog;
  readonly #name: string;
  readonly #keys: number;
  #producerId = -1;
  #nextSequence = 0;
  #order = 0;
  #unanswered: SentBatch[] = [];
  #answered: SentBatch[] = [];

  /** With keys, writes states of that many keys and deletions of them. */
  constructor(log: ModelLog, name: string, keys: number = 0) {
    this.#log = log;
    this.#name = name;
    this.#keys = keys;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    if (this.#producerId < 0) {
      const answer = await client.send('InitProducerId', 4, { transactionalId: null });
      if (answer.errorCode !== 0) session.settle();
      must(answer.errorCode === 0, () => `InitProducerId answered ${answer.errorCode}`);
      this.#producerId = Number(answer.producerId);
    }
    if (this.#unanswered.length > 0) session.ledger.count('retried batches');
    await this.#send(session, client, this.#unanswered.splice(0));
    while (!session.isEnding) {
      const choice = session.random();
      if (choice < 0.1) await this.#repeat(session, client);
      else if (choice < 0.15) await this.#leaveGap(session, client);
      else await this.#send(session, client, this.#newBatches(session));
      await session.rest(session.below(20));
    }
  }

  #newBatches(session: Session): SentBatch[] {
    return Array.from({ length: 1 + session.below(WINDOW) }, () => {
      const records = Array.from({ length: 1 + session.below(3) }, () => this.#record(session));
      const sequence = this.#nextSequence;
      this.#nextSequence += records.length;
      return { sequence, records, offset: -1 };
    });
  }

  #record(session: Session): SentRecord {
    const key = this.#keys > 0 ? { key: `${this.#name} ${session.below(this.#keys)}` } : {};
    const tombstone = this.#keys > 0 && session.chance(0.2);
    return session.ledger.send(this.#log, { stream: this.#name, order: this.#order++, tombstone, ...key });
  }

  #identity(baseSequence: number): Identity {
    return { producerId: this.#producerId, producerEpoch: 0, baseSequence, transactional: false };
  }

  /** Sends all without waiting in between; what has no answer stays for the next session. */
  async #send(session: Session, client: TestClient, batches: readonly SentBatch[]): Promise<void> {
    this.#unanswered = [...batches];
    const sent = batches.map(({ records, sequence }) =>
      produce(client, records, { acks: -1, identity: this.#identity(sequence) }),
    );
    for (const each of sent) each.catch(() => undefined);
    for (const [index, batch] of batches.entries()) {
      const { errorCode, offset } = (await sent[index]) ?? { errorCode: -1, offset: -1 };
      if (errorCode !== 0) session.settle();
      must(errorCode === 0, () => `batch ${batch.sequence} of ${this.#name} answered ${errorCode}`);
      batch.offset = offset;
      for (const [delta, record] of batch.records.entries()) session.ledger.place(record, offset + delta);
      this.#unanswered = this.#unanswered.slice(1);
      this.#answered = [...this.#answered, batch].slice(-WINDOW);
      session.ledger.count('acknowledged batches');
    }
  }

  async #repeat(session: Session, client: TestClient): Promise<void> {
    if (this.#answered.length === 0) return;
    const batch = session.pick(this.#answered);
    const identity = this.#identity(batch.sequence);
    const { errorCode, offset } = await produce(client, batch.records, { acks: -1, identity });
    if (errorCode !== 0) session.settle();
    must(errorCode === 0 && offset === batch.offset, () => {
      return `batch ${batch.sequence} of ${this.#name}, at ${batch.offset}, sent again answered ${errorCode} at ${offset}`;
    });
    session.ledger.count('repeated batches');
  }

  async #leaveGap(session: Session, client: TestClient): Promise<void> {
    if (this.#answered.length === 0) return;
    const record = this.#record(session);
    const identity = this.#identity(this.#nextSequence + 1 + session.below(3));
    const { errorCode } = await produce(client, [record], { acks: -1, identity });
    if (errorCode !== OUT_OF_ORDER_SEQUENCE) session.settle();
    must(errorCode === OUT_OF_ORDER_SEQUENCE, () => `a gap in ${this.#name} answered ${errorCode}`);
    record.refused = true;
    session.ledger.count('refused gaps');
  }
}

/** Writes with acks=1, and now and then asks for the end, which then covers what it wrote (CORRECTNESS rule 24). */
export class HastyWriter implements Actor {
  readonly #log: ModelLog;
  #order = 0;

  constructor(log: ModelLog) {
    this.#log = log;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    const { ledger } = session;
    while (!session.isEnding) {
      const record = ledger.send(this.#log, { stream: 'hasty', order: this.#order++ });
      const { errorCode, offset } = await produce(client, [record], { acks: 1 });
      if (errorCode !== 0) session.settle();
      must(errorCode === 0, () => `acks=1 answered ${errorCode}`);
      if (offset < this.#log.highWatermark) ledger.place(record, offset);
      else this.#log.unflushed.set(offset, record);
      ledger.count('acks=1 batches');
      if (session.chance(0.2)) {
        const [, , end = -1] = await readEnds(client, ledger, this.#log);
        must(end > offset, () => `acks=1 gave ${offset}, then the end is ${end}`);
      }
      await session.rest(session.below(10));
    }
  }
}

/** Reads whole partitions at both isolation levels while others write. */
export class Reader implements Actor {
  readonly #logs: readonly ModelLog[];

  constructor(logs: readonly ModelLog[]) {
    this.#logs = logs;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    while (!session.isEnding) {
      await checkLog(client, session.ledger, session.pick(this.#logs), session.chance(0.5) ? 1 : 0);
      session.ledger.count('reads');
      await session.rest(session.below(30));
    }
  }
}

/** Deletes records from the front. */
export class Trimmer implements Actor {
  readonly #logs: readonly ModelLog[];

  constructor(logs: readonly ModelLog[]) {
    this.#logs = logs;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    while (!session.isEnding) {
      await session.rest(100 + session.below(600));
      const log = session.pick(this.#logs);
      const room = Math.max(0, log.highWatermark - log.start);
      const offset = log.start + Math.floor(room * session.random() ** 2);
      log.deletedAsked = Math.max(log.deletedAsked, offset);
      const answer = await client.send('DeleteRecords', 2, {
        topics: [{ name: log.topic, partitions: [{ partitionIndex: log.partition, offset }] }],
        timeoutMs: 30_000,
      });
      const result = answer.topics[0]?.partitions[0];
      if (result?.errorCode !== 0) throw new Ended(`DeleteRecords answered ${result?.errorCode}`);
      must(Number(result.lowWatermark) >= offset, () => `deleted to ${result.lowWatermark}, asked ${offset}`);
      log.start = Math.max(log.start, Number(result.lowWatermark));
      session.ledger.count('trims');
    }
  }
}
