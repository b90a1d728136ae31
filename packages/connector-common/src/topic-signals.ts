// Signals from a topic: those that came while the connector was stopped, too. How far they were dealt with is kept beside
// the offsets of the connector.
import {
  type OffsetReader,
  privatePartition,
  type SourcePartition,
  type SourceTaskContext,
  type TopicLog,
  type TopicLogRecord,
} from '@millrace/connect-api';
import type { PrivateRecords } from './private-records.ts';
import { parseSignalText, type Signal, type SignalSource } from './signals.ts';

export interface TopicSignalsOptions extends SignalSource {
  readonly topic: string;
  /** The key of the messages that are for this connector: `topic.prefix`. */
  readonly key: string;
  readonly topicLog: SourceTaskContext['topicLog'];
  readonly offsets: OffsetReader;
  readonly records: PrivateRecords;
  readonly sourcePartition: SourcePartition;
  /** Signals come one after the other, each when the one before is dealt with. */
  readonly onSignal: (signal: Signal) => Promise<void>;
  /** Resolves once what has come of the signals so far is stored. */
  readonly stored: () => Promise<void>;
  readonly fail: (error: unknown) => void;
}

interface Place {
  readonly offset: number;
  readonly timestamp: number;
}

export class TopicSignals {
  readonly #options: TopicSignalsOptions;
  readonly #partition: SourcePartition;
  #log: TopicLog | undefined;
  #stopped = false;
  #done: Place | undefined;
  #last: Promise<void> = Promise.resolve();
  #kept: Promise<void> = Promise.resolve();

  constructor(options: TopicSignalsOptions) {
    this.#options = options;
    this.#partition = privatePartition(options.sourcePartition, 'signals');
  }

  /** Resolves when the topic is being followed. Never rejects: see `fail`. */
  async follow(): Promise<void> {
    const { topic, topicLog, offsets, fail } = this.#options;
    try {
      this.#done = placeOf(await offsets.offset(this.#partition), topic);
      this.#log = await topicLog(topic, {
        partitions: 1,
        from: 'beginning',
        onRecord: (record) => this.#record(record),
        onError: fail,
      });
      if (this.#stopped) await this.close();
    } catch (error) {
      if (!this.#stopped) fail(error);
    }
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#log?.close().catch(() => undefined);
  }

  #record({ partition, offset, timestamp, key, value }: TopicLogRecord): void {
    const { topic, records, onSignal, stored, fail } = this.#options;
    if (partition !== 0 || value === null || key?.toString() !== this.#options.key) return;
    // A topic that was deleted and made anew begins from 0 again.
    const done = this.#done;
    if (done !== undefined && offset <= done.offset && timestamp <= done.timestamp) return;
    const signal = parseSignalText(value.toString(), this.#options);
    if (signal === undefined) return;
    this.#last = this.#last
      .then(async () => {
        if (this.#stopped) return;
        await onSignal(signal);
        // INV-3: after what it asked for is stored. A crash in between repeats a signal and loses none.
        const isStored = stored();
        this.#kept = this.#kept
          .then(() => isStored)
          .then(() => void records.keep(this.#partition, { topic, offset, timestamp }));
      })
      .catch(fail);
  }
}

function placeOf(stored: Readonly<Record<string, unknown>> | null, topic: string): Place | undefined {
  const { topic: of, offset, timestamp } = stored ?? {};
  if (of !== topic || typeof offset !== 'number' || typeof timestamp !== 'number') return undefined;
  return { offset, timestamp };
}
