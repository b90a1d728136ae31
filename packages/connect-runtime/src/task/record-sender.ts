// The hot path of a source task: records through transforms and converters into the producer. The loop is synchronous
// and allocates nothing per record; whatever has to wait or went wrong leaves it and comes back.

import { setImmediate as endOfTurn } from 'node:timers/promises';
import type {
  Headers,
  SourceBatch,
  SourcePartition,
  SourceRecord,
  TaskActivity,
} from '@millrace/connect-api';
import { ByteWriter, type Schema } from '@millrace/data';
import { type Clock, collectSmallHeap, toError } from '@millrace/foundation';
import { type BatchProducer, type OutgoingRecord, RECORD_OVERHEAD } from '@millrace/kafka-client';
import { headersSize } from '@millrace/kafka-protocol';
import { untilAborted } from './abortable.ts';
import type { TaskConverters } from './converters.ts';
import type { ErrorHandler, Failure, Stage } from './error-handling.ts';
import { failedRecord } from './source-letters.ts';
import type { RecordLedger } from './submitted-records.ts';
import type { TransformationChain } from './transformation-chain.ts';

export interface RecordSenderOptions {
  readonly chain: TransformationChain;
  readonly converters: TaskConverters;
  readonly errors: ErrorHandler;
  readonly producer: Pick<BatchProducer, 'append' | 'ready' | 'openBatch' | 'beginRun'>;
  readonly submitted: RecordLedger;
  readonly clock: Clock;
  /** Makes a topic ready for `append`: creates it where needed. */
  readonly prepareTopic: (topic: string) => Promise<void>;
  /** Frees acknowledged records when there are too many: stores offsets. */
  readonly commit: () => Promise<void>;
}

type RecordHeaders = NonNullable<OutgoingRecord['headers']>;

/** Why the loop stopped before a record. */
type Wait = 'room' | 'topic' | 'schema' | 'failure';

/** So many records are sent before what has come in meanwhile, acknowledgements above all, is looked at. */
const TURN_RECORDS = 1024;

interface TopicState {
  readonly name: string;
  readonly headers: WeakMap<Headers, RecordHeaders>;
  lastHeaders: Headers | null;
  lastConverted: RecordHeaders | null;
  /** Schemas that converters have prepared for this topic. */
  readonly keySchemas: Set<Schema | null>;
  readonly valueSchemas: Set<Schema | null>;
}

/** The class that Connect names for what its own task does. */
export const WORKER_TASK = 'org.apache.kafka.connect.runtime.AbstractWorkerSourceTask';

// Longer buffers are given back after the first batch that does not need them: a new one for each large record would
// be garbage that grows faster than it is collected.
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024;

export class RecordSender {
  readonly #options: RecordSenderOptions;
  readonly #chain: TransformationChain;
  readonly #converters: TaskConverters;
  readonly #preparesSchemas: boolean;
  readonly #topics = new Map<string, TopicState>();
  #own = new ByteWriter(64 * 1024);
  /** The record that is sent next. */
  #next = 0;
  /** Writes into open batches. */
  readonly #draft = new ByteWriter(64);
  /** Between the key and the value of the record that is being written. */
  #gap = 0;
  /** Bytes of the largest record so far, at most `KEPT_BUFFER_BYTES`. */
  #largest = 4096;
  /** Whether a record of the batch being sent was longer than that. */
  #hadLong = false;
  #lastTopic: TopicState | undefined;
  /** The one that was met last and may not exist yet. */
  #met: TopicState | undefined;
  #lastPartition: SourcePartition | undefined;
  #lastPartitionIndex = 0;
  #nowMs = 0;
  #stage: Stage = 'TRANSFORMATION';
  #wait: Wait = 'room';
  #error: unknown;
  /** The record that waits, after transforms. */
  #waiting: SourceRecord | undefined;
  /** Waits so far, and whether one is under way: what the status shows. */
  #waits = 0;
  #isWaiting = false;

  constructor(options: RecordSenderOptions) {
    this.#options = options;
    this.#chain = options.chain;
    this.#converters = options.converters;
    this.#preparesSchemas =
      options.converters.key.prepareWrite !== undefined ||
      options.converters.value.prepareWrite !== undefined;
  }

  /** What the batch being sent waits for, if it does. */
  get activity(): TaskActivity | null {
    if (!this.#isWaiting) return null;
    const topic = this.#waiting?.topic;
    const stages: Readonly<Record<Wait, string>> = {
      room: "waiting for room in the producer's buffer",
      topic: `preparing topic ${topic}`,
      schema: `preparing the schemas of topic ${topic}`,
      failure: `retrying ${this.#stage} of a record`,
    };
    const error = this.#wait === 'failure' ? toError(this.#error) : undefined;
    return { stage: stages[this.#wait], progress: this.#waits, error };
  }

  /** Hands a batch to the producer; resolves when every record is appended, dropped or tolerated. */
  async send(batch: SourceBatch, signal: AbortSignal): Promise<void> {
    const { records, position } = batch;
    // What long records came in is dead by now.
    if (this.#hadLong) collectSmallHeap();
    this.#hadLong = false;
    this.#nowMs = this.#options.clock.nowMs();
    let next = 0;
    while (next < records.length && !signal.aborted) {
      if (next > 0) await endOfTurn();
      next = await this.#sendPart(records, next, Math.min(next + TURN_RECORDS, records.length), signal);
    }
    if (position && next === records.length) {
      const { submitted } = this.#options;
      // A position has no record of its own: it is acknowledged as soon as everything before it is.
      const sequence = submitted.submit(submitted.partitionIndex(position.partition), position.offset);
      submitted.acknowledge(sequence);
    }
    if (this.#own.buffer.length > KEPT_BUFFER_BYTES && !this.#hadLong) this.#own = new ByteWriter(64 * 1024);
  }

  /** Sends the records from `start` to `end`; the index of the first that it did not before the signal fired, or `end`. */
  async #sendPart(
    records: readonly SourceRecord[],
    start: number,
    end: number,
    signal: AbortSignal,
  ): Promise<number> {
    let next = this.#sendFrom(records, start, end);
    while (next < end && !signal.aborted) {
      const record = records[next];
      this.#waits++;
      this.#isWaiting = true;
      if (record && (await this.#settle(record, signal))) next++;
      this.#isWaiting = false;
      this.#nowMs = this.#options.clock.nowMs();
      if (!signal.aborted) next = this.#sendFrom(records, next, end);
    }
    return next;
  }

  /** Sends as many records before `end` as it can without waiting; the index of the first that it could not, or `end`. */
  #sendFrom(records: readonly SourceRecord[], start: number, end: number): number {
    this.#next = start;
    try {
      while (this.#next < end) {
        this.#sendRun(records, end);
        const record = records[this.#next];
        if (this.#next === end || record === undefined || !this.#sendOne(record)) break;
        this.#next++;
      }
    } catch (error) {
      this.#error = error;
      this.#wait = 'failure';
    }
    return this.#next;
  }

  /**
   * Sends records that have in common what most have, as many as the open batch takes: `sendOne` for each, with what is
   * the same done once. Ends before whatever needs more than that, and does not wait.
   */
  #sendRun(records: readonly SourceRecord[], until: number): void {
    const first = records[this.#next];
    const topic = this.#lastTopic;
    if (first === undefined || topic?.name !== first.topic || !this.#chain.empty) return;
    const { topic: name, kafkaPartition, headers, sourcePartition, keySchema, valueSchema } = first;
    if (this.#preparesSchemas && !this.#schemasReady(topic, first)) return;
    const converted = headers.length === 0 ? null : topic.lastConverted;
    if (headers.length > 0 && topic.lastHeaders !== headers) return;
    this.#stage = 'KAFKA_PRODUCE';
    const run = this.#options.producer.beginRun(name, kafkaPartition);
    if (run === undefined) return;
    const { submitted } = this.#options;
    const { key: keys, value: values } = this.#converters;
    const { batch, tokens } = run;
    const out = this.#draft;
    let left = run.roomBytes;
    let next = this.#next;
    try {
      const overhead = RECORD_OVERHEAD + (converted === null ? 0 : headersSize(converted));
      const partitionIndex = this.#partitionIndex(first);
      for (; next < until; next++) {
        const record = records[next] as SourceRecord;
        if (
          record.topic !== name ||
          record.headers !== headers ||
          record.valueSchema !== valueSchema ||
          record.keySchema !== keySchema ||
          record.kafkaPartition !== kafkaPartition ||
          record.sourcePartition !== sourcePartition
        )
          break;
        const start = batch.draftStart;
        if (submitted.full || batch.capacity - start <= 4 * this.#largest) break;
        out.borrow(batch.memory(), start);
        this.#stage = 'KEY_CONVERTER';
        const hasKey = keys.write(name, headers, keySchema, record.key, out);
        const keyEnd = out.position;
        const valueStart = keyEnd + batch.draftGap;
        out.position = valueStart;
        this.#stage = 'VALUE_CONVERTER';
        const hasValue = values.write(name, headers, valueSchema, record.value, out);
        const end = out.position;
        const bytes = (hasKey ? keyEnd - start : 0) + (hasValue ? end - valueStart : 0) + overhead;
        if (bytes > left) break;
        left -= bytes;
        batch.append(
          record.timestamp ?? this.#nowMs,
          out.buffer,
          hasKey ? start : -1,
          keyEnd,
          hasValue ? valueStart : -1,
          end,
          converted,
        );
        tokens.push(submitted.submit(partitionIndex, record.sourceOffset));
        this.#noteSize(end - start);
      }
    } finally {
      this.#next = next;
      run.end(run.roomBytes - left);
    }
  }

  /** False when the record has to wait; `#wait` says for what. */
  #sendOne(record: SourceRecord): boolean {
    let current = record;
    if (!this.#chain.empty) {
      this.#stage = 'TRANSFORMATION';
      const transformed = this.#chain.apply(record);
      if (transformed === null) {
        this.#drop(record);
        return true;
      }
      current = transformed;
    }
    const name = current.topic;
    let topic = this.#lastTopic;
    if (topic === undefined || topic.name !== name) {
      topic = this.#topics.get(name);
      if (topic === undefined) return this.#meet(current);
      this.#lastTopic = topic;
    }
    if (this.#preparesSchemas && !this.#schemasReady(topic, current)) return this.#waitFor('schema', current);
    const { submitted, producer } = this.#options;
    if (submitted.full) return this.#waitFor('room', current);
    const out = this.#writer(name, current.kafkaPartition);
    const start = out.position;
    const { headers } = current;
    this.#stage = 'KEY_CONVERTER';
    const hasKey = this.#converters.key.write(name, headers, current.keySchema, current.key, out);
    const keyEnd = out.position;
    const valueStart = keyEnd + this.#gap;
    out.position = valueStart;
    this.#stage = 'VALUE_CONVERTER';
    const hasValue = this.#converters.value.write(name, headers, current.valueSchema, current.value, out);
    this.#stage = 'HEADER_CONVERTER';
    const converted = headers.length === 0 ? null : this.#convertHeaders(topic, headers);
    this.#stage = 'KAFKA_PRODUCE';
    const sequence = submitted.submit(this.#partitionIndex(record), record.sourceOffset);
    let taken = false;
    try {
      taken = producer.append(
        name,
        current.kafkaPartition,
        current.timestamp ?? this.#nowMs,
        out.buffer,
        hasKey ? start : -1,
        keyEnd,
        hasValue ? valueStart : -1,
        out.position,
        converted,
        sequence,
      );
      this.#noteSize(out.position - start);
    } finally {
      if (!taken) submitted.removeLast(sequence);
    }
    return taken || this.#waitFor('room', current);
  }

  #noteSize(bytes: number): void {
    if (bytes <= this.#largest) return;
    this.#largest = Math.min(bytes, KEPT_BUFFER_BYTES);
    this.#hadLong ||= bytes > KEPT_BUFFER_BYTES;
  }

  /** The first record of a topic waits until that exists. As in Connect, one that cannot be converted makes none. */
  #meet(record: SourceRecord): false {
    const topic = newTopic(record.topic);
    this.#met = topic;
    if (!this.#preparesSchemas) {
      const { key, value } = this.#converters;
      const { headers } = record;
      this.#own.reset();
      this.#stage = 'KEY_CONVERTER';
      key.write(topic.name, headers, record.keySchema, record.key, this.#own);
      this.#stage = 'VALUE_CONVERTER';
      value.write(topic.name, headers, record.valueSchema, record.value, this.#own);
      this.#stage = 'HEADER_CONVERTER';
      if (headers.length > 0) this.#convertHeaders(topic, headers);
    }
    return this.#waitFor('topic', record);
  }

  /** Into the open batch that the record goes to if it is known and has room, else into a buffer of our own. */
  #writer(topic: string, partition: number | null): ByteWriter {
    const batch = this.#options.producer.openBatch(topic, partition);
    if (batch !== undefined) {
      const start = batch.draftStart;
      // Encoders ask for more room than they use.
      if (batch.capacity - start > 4 * this.#largest) {
        this.#draft.borrow(batch.memory(), start);
        this.#gap = batch.draftGap;
        return this.#draft;
      }
    }
    this.#own.reset();
    this.#gap = 0;
    return this.#own;
  }

  #waitFor(what: Wait, record: SourceRecord): false {
    this.#wait = what;
    this.#waiting = record;
    return false;
  }

  #partitionIndex(record: SourceRecord): number {
    if (record.sourcePartition !== this.#lastPartition) {
      this.#lastPartition = record.sourcePartition;
      this.#lastPartitionIndex = this.#options.submitted.partitionIndex(record.sourcePartition);
    }
    return this.#lastPartitionIndex;
  }

  /** A record that a transform dropped, or that is passed by, counts as acknowledged. */
  #drop(record: SourceRecord): void {
    const { submitted } = this.#options;
    submitted.acknowledge(submitted.submit(this.#partitionIndex(record), record.sourceOffset));
  }

  #schemasReady(topic: TopicState, record: SourceRecord): boolean {
    return topic.keySchemas.has(record.keySchema) && topic.valueSchemas.has(record.valueSchema);
  }

  /** Headers arrays are shared by many records: each is converted once per topic. */
  #convertHeaders(topic: TopicState, headers: Headers): RecordHeaders {
    if (topic.lastHeaders === headers && topic.lastConverted !== null) return topic.lastConverted;
    let converted = topic.headers.get(headers);
    if (converted === undefined) {
      converted = headers.map(({ key, schema, value }) => ({
        key,
        value: this.#converters.header.writeHeader(topic.name, key, schema, value),
      }));
      topic.headers.set(headers, converted);
    }
    topic.lastHeaders = headers;
    topic.lastConverted = converted;
    return converted;
  }

  /** Deals with what the record waits for. True when it is done with, false when it is to be sent again. */
  async #settle(record: SourceRecord, signal: AbortSignal): Promise<boolean> {
    const { producer, submitted, commit, prepareTopic } = this.#options;
    switch (this.#wait) {
      case 'room':
        if (submitted.full) {
          await commit();
          if (submitted.full) await this.#options.clock.sleep(10, signal);
        } else await producer.ready(signal);
        return false;
      case 'topic': {
        const name = this.#waiting?.topic ?? record.topic;
        await untilAborted(prepareTopic(name), signal);
        if (signal.aborted) return false;
        this.#topics.set(name, this.#met?.name === name ? this.#met : newTopic(name));
        return false;
      }
      case 'schema':
        return await this.#prepareSchemas(record, signal);
      case 'failure':
        return await this.#recover(record, this.#failure(record), () => this.#sendOne(record), signal);
      default:
        return this.#wait satisfies never;
    }
  }

  async #prepareSchemas(record: SourceRecord, signal: AbortSignal): Promise<boolean> {
    const waiting = this.#waiting ?? record;
    const topic = this.#topics.get(waiting.topic);
    if (!topic) return false;
    const prepare = async (): Promise<boolean> => {
      this.#stage = 'KEY_CONVERTER';
      await this.#converters.key.prepareWrite?.(topic.name, waiting.keySchema);
      remember(topic.keySchemas, waiting.keySchema);
      this.#stage = 'VALUE_CONVERTER';
      await this.#converters.value.prepareWrite?.(topic.name, waiting.valueSchema);
      remember(topic.valueSchemas, waiting.valueSchema);
      return false;
    };
    try {
      return await prepare();
    } catch (error) {
      this.#error = error;
      return await this.#recover(record, this.#failure(record), prepare, signal);
    }
  }

  #failure(record: SourceRecord): Failure {
    const stage = this.#stage;
    const className = this.#classAt(stage);
    return { stage, className, error: this.#error, consumed: null, produced: failedRecord(record) };
  }

  #classAt(stage: Stage): string {
    const { classNames } = this.#converters;
    if (stage === 'KEY_CONVERTER') return classNames.key;
    if (stage === 'VALUE_CONVERTER') return classNames.value;
    if (stage === 'HEADER_CONVERTER') return classNames.header;
    if (stage === 'TRANSFORMATION') return this.#chain.lastClass;
    return WORKER_TASK;
  }

  /** Retries, then gives up on the record where errors are tolerated. */
  async #recover(
    record: SourceRecord,
    failure: Failure,
    operation: () => boolean | Promise<boolean>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const result = await this.#options.errors.retry(failure, operation, signal);
    if (result.ok) return result.value;
    if (signal.aborted) return false;
    await untilAborted(this.#options.errors.giveUp(result.failure), signal);
    // INV-1: a dead letter that may not be durable leaves its record unacknowledged.
    if (signal.aborted) return false;
    this.#drop(record);
    return true;
  }
}

function newTopic(name: string): TopicState {
  return {
    name,
    headers: new WeakMap(),
    lastHeaders: null,
    lastConverted: null,
    keySchemas: new Set(),
    valueSchemas: new Set(),
  };
}

/** Bounded: a connector that makes schemas anew pays with preparing them again. */
function remember(schemas: Set<Schema | null>, schema: Schema | null): void {
  if (schemas.size >= 1000) schemas.clear();
  schemas.add(schema);
}
