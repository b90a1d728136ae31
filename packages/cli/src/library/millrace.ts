// The library: runs a source connector in the program's own process and hands it change events one by one. The
// program pulls, which is the backpressure, and says of each event when it is done with it.
import type {
  CommittedOffset,
  OffsetMap,
  OffsetReader,
  SourceBatch,
  SourcePartition,
  SourceRecord,
} from '@millrace/connect-api';
import {
  createChain,
  createConverters,
  decodeOffsetRecord,
  offsetKey,
  offsetValue,
  SubmittedRecords,
  type TransformationChain,
} from '@millrace/connect-runtime/embedding';
import { systemClock, toError } from '@millrace/foundation';
import { libraryError } from './errors.ts';
import {
  type ChangeEvent,
  changeEvent,
  type EventBase,
  type EventMaker,
  type JsonEvent,
  jsonEvents,
} from './events.ts';
import type { SourceOffsets } from './offsets/source-offsets.ts';
import type { MillraceOptions } from './options.ts';
import { type CheckedSource, checkSource, type StartedSource, startSource } from './source.ts';

const MAX_UNACKNOWLEDGED = 10_000;
/** With as many events unacknowledged as may be, the program has so long until it is told that it forgets some. */
const ACK_PATIENCE_MS = 60_000;
const EMPTY: SourceBatch = { records: [] };

/** The converters that JSON events are written with; their settings are those of the config. */
const JSON_CONVERTERS = {
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'header.converter': 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
};

interface Parts<Event> {
  readonly source: StartedSource;
  readonly chain: TransformationChain;
  readonly make: EventMaker<Event>;
  readonly offsets: NamedOffsets;
  readonly options: MillraceOptions;
  readonly flushIntervalMs: number;
}

/**
 * A running source. Iterate over it for its events, acknowledge each, close it at the end.
 *
 * Delivery is at least once: after a crash the events that were not acknowledged, or whose acknowledgement was not yet
 * saved, come again, in the same order.
 */
export class Millrace<Event extends EventBase> implements AsyncIterable<Event>, AsyncDisposable {
  readonly #source: StartedSource;
  readonly #chain: TransformationChain;
  readonly #make: EventMaker<Event>;
  readonly #offsets: NamedOffsets;
  readonly #maxUnacknowledged: number;
  readonly #submitted = new SubmittedRecords();
  readonly #stop = new AbortController();
  readonly #flushing: NodeJS.Timeout;
  #batch: SourceBatch = EMPTY;
  #next = 0;
  #iterating = false;
  #pulling: Promise<unknown> = Promise.resolve();
  #lastFlush: Promise<void> = Promise.resolve();
  #ended: Promise<void> | undefined;
  #failure: Error | undefined;
  #onAck: (() => void) | undefined;

  private constructor({ source, chain, make, offsets, options, flushIntervalMs }: Parts<Event>) {
    this.#source = source;
    this.#chain = chain;
    this.#make = make;
    this.#offsets = offsets;
    this.#maxUnacknowledged = options.maxUnacknowledged ?? MAX_UNACKNOWLEDGED;
    this.#flushing = setInterval(() => void this.flush().catch(() => undefined), flushIntervalMs);
    this.#flushing.unref();
  }

  /**
   * Checks the config, connects, and goes on where the offsets say: behind the last event whose acknowledgement was
   * saved, or with a snapshot where there are none.
   *
   * @throws library.no_source and library.invalid_config for a config that cannot work, library.offsets and
   * library.bad_offsets for offsets that cannot be read, and the connector's own codes
   */
  static open(options: MillraceOptions & { readonly shape: 'json' }): Promise<Millrace<JsonEvent>>;
  static open<Row = Record<string, unknown>>(
    options: MillraceOptions & { readonly shape?: 'envelope' },
  ): Promise<Millrace<ChangeEvent<Row>>>;
  static async open(options: MillraceOptions): Promise<Millrace<JsonEvent> | Millrace<ChangeEvent<unknown>>> {
    const checked = await checkSource(options);
    if (options.shape !== 'json') return await Millrace.#start(options, checked, changeEvent<unknown>);
    const converters = await createConverters({ ...checked.config, ...JSON_CONVERTERS }, {}, checked.plugins);
    return await Millrace.#start(options, checked, jsonEvents(converters));
  }

  static async #start<Event extends EventBase>(
    options: MillraceOptions,
    checked: CheckedSource,
    make: EventMaker<Event>,
  ): Promise<Millrace<Event>> {
    const chain = await createChain(checked.config, checked.plugins);
    const offsets = await NamedOffsets.load(checked.name, options.offsets);
    let opened: Millrace<Event> | undefined;
    let early: Error | undefined;
    const onFailed = (error: Error): void => {
      if (opened) opened.#fail(error);
      else early = error;
    };
    try {
      const source = await startSource(checked, offsets, { spoolFolder: options.spoolFolder, onFailed });
      const { flushIntervalMs } = checked;
      opened = new Millrace({ source, chain, make, offsets, options, flushIntervalMs });
      if (early) opened.#fail(early);
      return opened;
    } catch (error) {
      chain.close();
      await offsets.close();
      throw error;
    }
  }

  /**
   * The events, in the order of their commits. One loop at a time; a loop that was left goes on in the next one. Ends
   * when `close` is called, and throws what the connector, a transform or the offsets failed with: then everything is
   * closed already, and the program may open it again, at once or when `policyOf` says so.
   */
  [Symbol.asyncIterator](): AsyncIterator<Event, undefined> {
    if (this.#iterating) throw libraryError('library.in_use', 'Its events are being read by another loop');
    this.#iterating = true;
    const leave = (): IteratorResult<Event, undefined> => {
      this.#iterating = false;
      return { done: true, value: undefined };
    };
    return {
      next: async () => {
        const pulled = this.#pulling.then(() => this.#pull());
        this.#pulling = pulled.catch(() => undefined);
        const event = await pulled;
        return event === undefined ? leave() : { done: false, value: event };
      },
      return: () => Promise.resolve(leave()),
    };
  }

  /** Saves how far the acknowledgements reach, now; else that is done every `offset.flush.interval.ms`. */
  flush(): Promise<void> {
    const flushed = this.#lastFlush.then(() => this.#flush());
    this.#lastFlush = flushed.catch(() => undefined);
    return flushed;
  }

  /**
   * Saves what was acknowledged and disconnects. Idempotent.
   *
   * @throws library.offsets, and the connector's codes, when that could not be saved and no loop was told
   */
  async close(): Promise<void> {
    this.#ended ??= this.#end();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The next event, or undefined when it was closed. */
  async #pull(): Promise<Event | undefined> {
    try {
      while (!this.#stop.signal.aborted) {
        const record = this.#batch.records[this.#next];
        if (record) {
          if (this.#submitted.pending >= this.#maxUnacknowledged) await this.#acknowledgement();
          else {
            const event = this.#eventOf(record);
            this.#next++;
            if (event !== undefined) return event;
          }
        } else await this.#poll();
      }
    } catch (error) {
      this.#fail(toError(error));
    }
    if (this.#failure === undefined) return undefined;
    await this.close().catch(() => undefined);
    throw this.#failure;
  }

  async #poll(): Promise<void> {
    this.#batch = EMPTY;
    this.#next = 0;
    const batch = await this.#source.task.poll(this.#stop.signal);
    if (batch === null) return;
    this.#batch = batch;
    const { records, position, urgent } = batch;
    if (records.length > 0 || !position) return;
    this.#reach(position);
    if (urgent === true) await this.flush();
  }

  /** Undefined when a transform drops it. A position behind the last record is reached with that. */
  #eventOf(record: SourceRecord): Event | undefined {
    const transformed = this.#chain.apply(record);
    const sequence = this.#submitted.submit(
      this.#submitted.partitionIndex(record.sourcePartition),
      record.sourceOffset,
    );
    const { records, position } = this.#batch;
    if (position && record === records[records.length - 1]) this.#reach(position);
    if (transformed === null) {
      this.#submitted.acknowledge(sequence);
      return undefined;
    }
    return this.#make(transformed, () => {
      this.#submitted.acknowledge(sequence);
      this.#onAck?.();
    });
  }

  /** It has no event of its own: it counts as acknowledged, behind whatever came before it. */
  #reach({ partition, offset }: NonNullable<SourceBatch['position']>): void {
    this.#submitted.acknowledge(this.#submitted.submit(this.#submitted.partitionIndex(partition), offset));
  }

  /** Waits until the program acknowledges something. @throws library.unacknowledged when it does not */
  async #acknowledgement(): Promise<void> {
    const done = new AbortController();
    this.#stop.signal.addEventListener('abort', () => done.abort(), { once: true, signal: done.signal });
    this.#onAck = () => done.abort();
    await systemClock.sleep(ACK_PATIENCE_MS, done.signal);
    this.#onAck = undefined;
    if (done.signal.aborted) return;
    throw libraryError(
      'library.unacknowledged',
      `${this.#submitted.pending} events are not acknowledged, and none was for ${ACK_PATIENCE_MS / 1000} s`,
    );
  }

  async #flush(): Promise<void> {
    const committable = this.#submitted.takeCommittable();
    if (committable.length === 0) return;
    try {
      await this.#offsets.save(committable);
      // INV-1: the source learns of an offset after it is durable, and it is of events the program is done with.
      await this.#source.task.commit(committable);
    } catch (error) {
      this.#fail(toError(error));
      throw error;
    }
  }

  #fail(error: Error): void {
    if (this.#ended === undefined) this.#failure ??= error;
    this.#stop.abort();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#flushing);
    const told = this.#failure !== undefined;
    let failure: unknown;
    await this.flush().catch((error: unknown) => {
      failure = error;
    });
    await this.#source[Symbol.asyncDispose]();
    this.#chain.close();
    await this.#offsets.close();
    if (failure !== undefined && !told) throw failure;
  }
}

/** The offsets as the connector reads them and the library saves them: under the name of the connector. */
class NamedOffsets implements OffsetReader {
  readonly #name: string;
  readonly #store: SourceOffsets;
  readonly #known: Map<string, string>;

  private constructor(name: string, store: SourceOffsets, known: ReadonlyMap<string, string>) {
    this.#name = name;
    this.#store = store;
    this.#known = new Map(known);
  }

  static async load(name: string, store: SourceOffsets): Promise<NamedOffsets> {
    return new NamedOffsets(name, store, await store.load());
  }

  offset(partition: SourcePartition): Promise<OffsetMap | null> {
    const key = offsetKey(this.#name, partition);
    const value = this.#known.get(key.toString());
    if (value === undefined) return Promise.resolve(null);
    const record = decodeOffsetRecord(key, Buffer.from(value));
    if (record) return Promise.resolve(record.offset);
    return Promise.reject(
      libraryError('library.bad_offsets', `The offset of ${key.toString()} cannot be read`),
    );
  }

  async save(committed: readonly CommittedOffset[]): Promise<void> {
    const changes = new Map<string, string>();
    for (const { partition, offset } of committed)
      changes.set(offsetKey(this.#name, partition).toString(), offsetValue(offset)?.toString() ?? '');
    await this.#store.save(changes);
    for (const [key, value] of changes) this.#known.set(key, value);
  }

  async close(): Promise<void> {
    await this.#store.close?.();
  }
}
