// Where the broker of a model run lives, and how it ends.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerHandle, startBroker } from '../../broker.ts';
import { type BrokerProcess, killBroker, startBrokerProcess } from '../broker-process.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { nextTurn, type Session } from './session.ts';

/** How a broker ends: in order, killed, or with all that was not synced in danger. */
export type End = 'close' | 'kill' | 'power cut';

export interface Host extends AsyncDisposable {
  /** The ways in which it can end. */
  readonly ends: readonly End[];
  /** How many turns of this process's event loop give the broker about one of its own. */
  readonly pace: number;
  /** Starts the broker on what is there; the port of its listener. */
  start(): Promise<number>;
  /** Starts it and ends it in the middle of that. */
  startInVain(turns: number): Promise<void>;
  end(how: End, session: Session): Promise<void>;
}

/** Everything that goes by time goes fast, and internal topics are compacted while the run lasts. */
const PROPERTIES = {
  'millrace.disk.reserve.bytes': '65536',
  'millrace.tail.cache.bytes': '4000',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '10',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '10',
  'log.retention.check.interval.ms': '15',
  'log.cleaner.backoff.ms': '5',
  'log.cleaner.min.cleanable.ratio': '0.01',
  'log.cleaner.delete.retention.ms': '0',
  'log.segment.delete.delay.ms': '5',
  'log.roll.ms': '60',
};

/** In this process, on a disk in memory. */
export class MemoryHost implements Host {
  readonly pace = 1;
  readonly ends = ['close', 'kill', 'power cut', 'power cut'] as const;
  readonly #random: () => number;
  #disk = new MemoryDisk();
  #broker: BrokerHandle | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  async start(): Promise<number> {
    this.#broker = await this.#begin();
    return this.#broker.port;
  }

  async startInVain(turns: number): Promise<void> {
    const starting = this.#begin();
    for (let left = turns; left > 0; left--) await nextTurn();
    const left = this.#random() < 0.5 ? this.#disk.afterKill() : this.#disk.afterPowerCut(this.#random);
    await (await starting).close();
    this.#disk = left;
  }

  async end(how: End, session: Session): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    if (how === 'close') {
      session.isEnding = true;
      await broker?.close();
      session.cut();
      return;
    }
    const left = how === 'kill' ? this.#disk.afterKill() : this.#disk.afterPowerCut(this.#random);
    session.cut();
    await broker?.close();
    this.#disk = left;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.close();
  }

  #begin(): Promise<BrokerHandle> {
    const slowest = 1 + Math.floor(this.#random() * 20);
    this.#disk.syncTurns = () => 1 + Math.floor(this.#random() * slowest);
    return startBroker({
      dataDirectory: '/data',
      listen: { host: '127.0.0.1', port: 0 },
      properties: PROPERTIES,
      disk: this.#disk,
    });
  }
}

/** In a process of its own, on the real disk, ended by SIGKILL. */
export class ProcessHost implements Host {
  readonly pace = 80;
  readonly ends = ['kill'] as const;
  #folder: string | undefined;
  #broker: BrokerProcess | undefined;

  async start(): Promise<number> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'millrace-model-'));
    this.#broker = await startBrokerProcess(this.#folder, PROPERTIES);
    return this.#broker.port;
  }

  async startInVain(): Promise<void> {
    await this.start();
    await this.#kill();
  }

  async end(_how: End, session: Session): Promise<void> {
    await this.#kill();
    session.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kill();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  async #kill(): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    if (broker) await killBroker(broker);
  }
}
