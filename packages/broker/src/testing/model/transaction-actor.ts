// A transactional producer of a model run: it commits, aborts, is fenced, lets time run out, and after a crash either
// goes on with its transaction or takes its id over again.
import type { TestClient } from '../test-client.ts';
import { type ModelLog, type ModelTransaction, must, type SentRecord } from './ledger.ts';
import { type Actor, Ended, pause, produce, type Session } from './session.ts';

const CONCURRENT_TRANSACTIONS = 51;
/** Codes of a broker that has not loaded its logs, or still ends what went before. */
const LATER: ReadonlySet<number> = new Set([14, 15, 16, CONCURRENT_TRANSACTIONS]);

interface Producer {
  producerId: number;
  producerEpoch: number;
}

interface Write {
  readonly record: SentRecord;
  readonly sequence: number;
}

export class TransactionActor implements Actor {
  readonly id: string;
  readonly #generation: 1 | 2;
  readonly #logs: readonly ModelLog[];
  #self: Producer = { producerId: -1, producerEpoch: -1 };
  #transaction: ModelTransaction | undefined;
  /** A write of the transaction without an answer. */
  #pending: Write | undefined;
  /** How its end was asked for. */
  #wish = false;
  /** The id is being taken over: what was known of it is void. */
  #isTakingOver = false;
  #sequences = new Map<ModelLog, number>();
  #added = new Set<string>();
  #order = 0;
  #count = 0;

  constructor(id: string, generation: 1 | 2, logs: readonly ModelLog[]) {
    this.id = id;
    this.#generation = generation;
    this.#logs = logs;
  }

  /** The group to which it commits offsets. */
  get group(): string {
    return `group of ${this.id}`;
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    await this.#goOn(session, client);
    while (!session.isEnding) {
      await this.#transact(session, client);
      await session.rest(session.below(20));
    }
  }

  /** Ends what is open and takes the id over, so that nothing is undecided any more. */
  async finish(session: Session): Promise<void> {
    await this.#init(session, await session.connect(), 60_000);
  }

  /** After a crash: the same producer goes on, or a new one begins. */
  async #goOn(session: Session, client: TestClient): Promise<void> {
    const transaction = this.#transaction;
    if (!transaction || this.#isTakingOver || transaction.mayTimeOut || session.chance(0.4)) {
      await this.#init(session, client, 60_000);
      return;
    }
    session.ledger.count('transactions gone on with after a restart');
    if (transaction.outcome === 'open') {
      if (this.#pending) await this.#write(session, client, this.#pending);
      await this.#transactMore(session, client, transaction);
      return;
    }
    await this.#end(session, client, transaction, this.#wish);
  }

  async #init(session: Session, client: TestClient, timeoutMs: number): Promise<void> {
    const transaction = this.#transaction;
    this.#isTakingOver = true;
    if (transaction?.outcome === 'open') transaction.outcome = 'abort asked';
    for (;;) {
      const answer = await client.send('InitProducerId', 4, {
        transactionalId: this.id,
        transactionTimeoutMs: timeoutMs,
      });
      if (answer.errorCode === 0) {
        this.#become({ producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch });
        break;
      }
      await this.#later(session, answer.errorCode, 'InitProducerId');
    }
    // One whose commit was asked for may have been committed; its records will tell.
    if (transaction?.outcome === 'abort asked') session.ledger.decide(transaction, 'aborted');
    this.#isTakingOver = false;
    this.#transaction = undefined;
    this.#pending = undefined;
    this.#added.clear();
  }

  #become(producer: Producer): void {
    if (
      producer.producerId !== this.#self.producerId ||
      producer.producerEpoch !== this.#self.producerEpoch
    ) {
      this.#sequences.clear();
    }
    this.#self = producer;
  }

  async #transact(session: Session, client: TestClient): Promise<void> {
    const mayTimeOut = session.chance(0.05);
    if (mayTimeOut) await this.#init(session, client, 50);
    const transaction: ModelTransaction = {
      name: `${this.id}/${this.#count++}`,
      outcome: 'open',
      mayTimeOut,
      records: [],
      commits: new Map(),
      acknowledged: new Set(),
    };
    session.ledger.transactions.add(transaction);
    this.#transaction = transaction;
    this.#added.clear();
    if (mayTimeOut) await this.#timeOut(session, client, transaction);
    else await this.#transactMore(session, client, transaction);
  }

  async #transactMore(session: Session, client: TestClient, transaction: ModelTransaction): Promise<void> {
    for (let writes = 1 + session.below(4); writes > 0; writes--) {
      await this.#write(session, client, this.#next(session, transaction));
      await session.rest(session.below(10));
    }
    if (session.chance(0.4)) await this.#commitOffset(session, client, transaction);
    if (session.chance(0.1)) await this.#beFenced(session, client);
    else await this.#end(session, client, transaction, session.chance(0.65));
  }

  #next(session: Session, transaction: ModelTransaction): Write {
    const log = session.pick(this.#logs);
    const key = log.kind === 'compacted' ? `${this.id} ${session.below(3)}` : this.id;
    const record = session.ledger.send(log, { stream: this.id, order: this.#order++, key, transaction });
    const sequence = this.#sequences.get(log) ?? 0;
    this.#sequences.set(log, sequence + 1);
    return { record, sequence };
  }

  async #write(session: Session, client: TestClient, write: Write): Promise<void> {
    this.#pending = write;
    for (;;) {
      const code = await this.#tryWrite(session, client, write, this.#self);
      if (code === 0) break;
      await this.#later(session, code, `a write of ${this.#label(write)}`);
    }
    this.#pending = undefined;
    session.ledger.count('transactional writes');
  }

  #label({ record, sequence }: Write): string {
    const { producerId, producerEpoch } = this.#self;
    return `${this.id} (${producerId}, epoch ${producerEpoch}, sequence ${sequence}) to ${record.log.topic}-${record.log.partition}`;
  }

  /** The error code of the step that was refused, or 0. */
  async #tryWrite(session: Session, client: TestClient, write: Write, as: Producer): Promise<number> {
    const { record, sequence } = write;
    const { topic, partition } = record.log;
    const place = `${topic}-${partition}`;
    if (this.#generation === 1 && !this.#added.has(place)) {
      const answer = await client.send('AddPartitionsToTxn', 3, {
        v3AndBelowTransactionalId: this.id,
        v3AndBelowProducerId: as.producerId,
        v3AndBelowProducerEpoch: as.producerEpoch,
        v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
      });
      const code = answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode ?? -1;
      if (code !== 0) return code;
      this.#added.add(place);
    }
    const { errorCode, offset } = await produce(client, [record], {
      acks: -1,
      version: this.#generation === 2 ? 12 : 9,
      transactionalId: this.id,
      identity: { ...as, baseSequence: sequence, transactional: true },
    });
    if (errorCode === 0) session.ledger.place(record, offset);
    return errorCode;
  }

  async #commitOffset(session: Session, client: TestClient, transaction: ModelTransaction): Promise<void> {
    const key = `${this.group}/0`;
    const offset = this.#order;
    // Sent, it may be in the transaction, whatever the answer is.
    session.ledger.commitSent(key, offset);
    transaction.commits.set(key, offset);
    const identity = { transactionalId: this.id, ...this.#self };
    if (this.#generation === 1) {
      const added = await client.send('AddOffsetsToTxn', 3, { ...identity, groupId: this.group });
      if (added.errorCode !== 0) session.settle();
      must(added.errorCode === 0, () => `AddOffsetsToTxn answered ${added.errorCode}`);
    }
    for (;;) {
      const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
      const answer = await client.send('TxnOffsetCommit', this.#generation === 2 ? 5 : 3, {
        ...identity,
        groupId: this.group,
        generationId: -1,
        memberId: '',
        topics: [{ name: 'offsets', partitions }],
      });
      const code = answer.topics[0]?.partitions[0]?.errorCode ?? -1;
      if (code === 0) break;
      await this.#later(session, code, 'TxnOffsetCommit');
    }
    transaction.acknowledged.add(key);
    session.ledger.count('transactional commits');
  }

  async #end(
    session: Session,
    client: TestClient,
    transaction: ModelTransaction,
    commit: boolean,
  ): Promise<void> {
    this.#wish = commit;
    if (transaction.outcome === 'open') transaction.outcome = commit ? 'commit asked' : 'abort asked';
    for (;;) {
      const code = await this.#tryEnd(client, commit);
      if (code === 0) break;
      await this.#later(session, code, `EndTxn of ${transaction.name}`);
    }
    session.ledger.decide(transaction, commit ? 'committed' : 'aborted');
    this.#transaction = undefined;
    session.ledger.count(commit ? 'commits' : 'aborts');
  }

  async #tryEnd(client: TestClient, committed: boolean, as: Producer = this.#self): Promise<number> {
    const answer = await client.send('EndTxn', this.#generation === 2 ? 5 : 3, {
      transactionalId: this.id,
      ...as,
      committed,
    });
    if (answer.errorCode === 0 && this.#generation === 2) {
      this.#become({ producerId: Number(answer.producerId), producerEpoch: answer.producerEpoch });
    }
    return answer.errorCode;
  }

  /** Another instance takes the id over; what the old one still tries is refused. */
  async #beFenced(session: Session, client: TestClient): Promise<void> {
    const zombie = { ...this.#self };
    const transaction = this.#transaction;
    const sequences = new Map(this.#sequences);
    await this.#init(session, client, 60_000);
    const log = session.pick(this.#logs);
    const record = session.ledger.send(log, {
      stream: this.id,
      order: this.#order++,
      ...(transaction ? { transaction } : {}),
    });
    record.refused = true;
    const write = { record, sequence: sequences.get(log) ?? 0 };
    const code = await this.#tryWrite(session, client, write, zombie);
    must(code !== 0, () => `a fenced producer of ${this.id} wrote`);
    const ended = await this.#tryEnd(client, true, zombie);
    must(ended !== 0, () => `a fenced producer of ${this.id} committed`);
    session.ledger.count('fenced');
  }

  async #timeOut(session: Session, client: TestClient, transaction: ModelTransaction): Promise<void> {
    const { record, sequence } = this.#next(session, transaction);
    const code = await this.#tryWrite(session, client, { record, sequence }, this.#self);
    if (code !== 0) session.settle();
    const isLate = code !== 0;
    record.refused = isLate;
    await pause(60 + session.below(80));
    if (transaction.outcome === 'open') transaction.outcome = 'commit asked';
    for (;;) {
      const ended = await this.#tryEnd(client, true);
      if (ended === 0) {
        must(!isLate, () => `${transaction.name} was committed without its only write`);
        session.ledger.decide(transaction, 'committed');
        break;
      }
      session.settle();
      if (!LATER.has(ended)) {
        session.ledger.decide(transaction, 'aborted');
        session.ledger.count('timed out');
        break;
      }
      await session.rest(5);
    }
    await this.#init(session, client, 60_000);
  }

  async #later(session: Session, code: number, what: string): Promise<void> {
    session.settle();
    must(LATER.has(code), () => `${what} answered ${code}`);
    await pause(1);
    if (session.isEnding) throw new Ended(what);
  }
}
