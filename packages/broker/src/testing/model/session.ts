// What an actor of a model run works with, from one start of the broker to its end.
import { type SimpleRecord, simpleBatch } from '@millrace/kafka-protocol';
import { TestClient } from '../test-client.ts';
import type { Ledger, SentRecord } from './ledger.ts';

/** The broker ended, or is about to, and what was asked has no answer. */
export class Ended extends Error {}

/** Writes, reads or asks until the session ends; goes on in the next one where it stopped. */
export interface Actor {
  run(session: Session): Promise<void>;
}

export class Session {
  readonly port: number;
  readonly random: () => number;
  readonly ledger: Ledger;
  /** The broker is told to stop: refusals say nothing from here on. */
  isEnding = false;
  readonly #clients: TestClient[] = [];

  constructor(port: number, random: () => number, ledger: Ledger) {
    this.port = port;
    this.random = random;
    this.ledger = ledger;
  }

  async connect(): Promise<TestClient> {
    const client = await TestClient.connect(this.port);
    this.#clients.push(client);
    if (this.isEnding) client.socket.destroy();
    return client;
  }

  /** From here on no answer is heard. */
  cut(): void {
    this.isEnding = true;
    for (const client of this.#clients) client.socket.destroy();
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** Throws when the broker refused because it ends. */
  settle(): void {
    if (this.isEnding) throw new Ended('the broker ends');
  }

  /** Lets others work. */
  async rest(turns: number): Promise<void> {
    for (let left = turns; left > 0 && !this.isEnding; left--) await nextTurn();
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Whether a session is over for an actor, rather than a promise broken. */
export function isEnd(error: unknown): boolean {
  const text = String(error);
  return error instanceof Ended || text.includes('was closed') || /ECONNRE(SET|FUSED)|EPIPE/.test(text);
}

export interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

/** The bytes of records; the same records give the same bytes but for the time. */
export function batchFor(records: readonly SentRecord[], identity?: Identity): Buffer {
  const padding = ' '.repeat((records[0]?.order ?? 0) % 7 === 0 ? 3000 : 20);
  const encoded = records.map((record): SimpleRecord => {
    return {
      key: Buffer.from(record.key),
      value: record.value === null ? null : Buffer.from(record.value + padding),
      headers: [{ key: 'id', value: Buffer.from(record.id) }],
      timestamp: Date.now(),
    };
  });
  return simpleBatch(encoded, identity);
}

export interface ProduceResult {
  readonly errorCode: number;
  readonly offset: number;
}

/** Writes one batch to one partition. */
export async function produce(
  client: TestClient,
  records: readonly SentRecord[],
  how: { acks: number; version?: number; transactionalId?: string; identity?: Identity },
): Promise<ProduceResult> {
  const log = records[0]?.log;
  if (!log) throw new Error('no records');
  const answer = await client.send('Produce', how.version ?? 9, {
    transactionalId: how.transactionalId ?? null,
    acks: how.acks,
    timeoutMs: 30_000,
    topicData: [
      {
        name: log.topic,
        partitionData: [{ index: log.partition, records: batchFor(records, how.identity) }],
      },
    ],
  });
  const result = answer.responses[0]?.partitionResponses[0];
  return { errorCode: result?.errorCode ?? -1, offset: Number(result?.baseOffset) };
}
