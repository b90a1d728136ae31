// The reading half of a sink task: consumed bytes through converters and transforms to sink records. Synchronous where
// it can be; records that fail are retried, tolerated or end the task.
import { type Headers, NO_HEADERS, SinkRecord } from '@millrace/connect-api';
import type { FetchedRecords } from '@millrace/kafka-client';
import type { TaskConverters } from './converters.ts';
import type { ConsumedRecord, ErrorHandler, Stage } from './error-handling.ts';
import type { TransformationChain } from './transformation-chain.ts';

type KafkaRecord = FetchedRecords['records'][number];

export interface RecordReaderOptions {
  readonly chain: TransformationChain;
  readonly converters: TaskConverters;
  readonly errors: ErrorHandler;
  /** Whether failed records may have to be reported with their bytes later. */
  readonly keepConsumed: boolean;
}

export class RecordReader {
  readonly #options: RecordReaderOptions;
  readonly #chain: TransformationChain;
  readonly #converters: TaskConverters;
  /** The bytes behind a record, for reports of the sink itself. */
  readonly #consumed = new WeakMap<SinkRecord, ConsumedRecord>();
  readonly #mayPrepare: boolean;
  #stage: Stage = 'TRANSFORMATION';

  constructor(options: RecordReaderOptions) {
    this.#options = options;
    this.#chain = options.chain;
    this.#converters = options.converters;
    this.#mayPrepare =
      options.converters.key.prepareRead !== undefined || options.converters.value.prepareRead !== undefined;
  }

  /** What was consumed for a record that the sink reports; null when it made that record itself. */
  consumed(record: SinkRecord): ConsumedRecord | null {
    return this.#consumed.get(record) ?? null;
  }

  /** Converts records in order; those that are dropped or tolerated are left out. */
  async read(fetched: FetchedRecords, signal: AbortSignal): Promise<SinkRecord[]> {
    const { topic, partition, records } = fetched;
    const read: SinkRecord[] = [];
    for (const record of records) {
      if (signal.aborted) break;
      try {
        if (this.#mayPrepare) await this.#prepare(topic, record);
        const converted = this.#convert(topic, partition, record);
        if (converted) read.push(converted);
      } catch (error) {
        const recovered = await this.#recover(topic, partition, record, error, signal);
        if (recovered) read.push(recovered);
      }
    }
    return read;
  }

  #convert(topic: string, partition: number, record: KafkaRecord): SinkRecord | null {
    const { key, value, header } = this.#converters;
    this.#stage = 'HEADER_CONVERTER';
    const headers: Headers =
      record.headers.length === 0
        ? NO_HEADERS
        : record.headers.map((raw) => ({ key: raw.key, ...header.readHeader(topic, raw.key, raw.value) }));
    this.#stage = 'KEY_CONVERTER';
    const keyRead = key.read(topic, headers, record.key);
    this.#stage = 'VALUE_CONVERTER';
    const valueRead = value.read(topic, headers, record.value);
    const sinkRecord = new SinkRecord({
      topic,
      kafkaPartition: partition,
      kafkaOffset: record.offset,
      keySchema: keyRead.schema,
      key: keyRead.value,
      valueSchema: valueRead.schema,
      value: valueRead.value,
      headers,
      timestamp: record.timestamp < 0 ? null : record.timestamp,
      timestampType: record.timestamp < 0 ? 'NoTimestampType' : 'CreateTime',
    });
    this.#stage = 'TRANSFORMATION';
    const transformed = this.#chain.empty ? sinkRecord : this.#chain.apply(sinkRecord);
    if (transformed && this.#options.keepConsumed) {
      this.#consumed.set(transformed, consumedOf(topic, partition, record));
    }
    return transformed;
  }

  async #prepare(topic: string, record: KafkaRecord): Promise<void> {
    this.#stage = 'KEY_CONVERTER';
    if (record.key) await this.#converters.key.prepareRead?.(topic, record.key);
    this.#stage = 'VALUE_CONVERTER';
    if (record.value) await this.#converters.value.prepareRead?.(topic, record.value);
  }

  async #recover(
    topic: string,
    partition: number,
    record: KafkaRecord,
    error: unknown,
    signal: AbortSignal,
  ): Promise<SinkRecord | null> {
    const { errors } = this.#options;
    const failure = {
      stage: this.#stage,
      className: this.#classAt(this.#stage),
      error,
      consumed: consumedOf(topic, partition, record),
    };
    const result = await errors.retry(
      failure,
      async () => {
        await this.#prepare(topic, record);
        return this.#convert(topic, partition, record);
      },
      signal,
    );
    if (result.ok) return result.value;
    if (!signal.aborted) await errors.giveUp(result.failure);
    return null;
  }

  #classAt(stage: Stage): string {
    const { classNames } = this.#converters;
    if (stage === 'KEY_CONVERTER') return classNames.key;
    if (stage === 'VALUE_CONVERTER') return classNames.value;
    return stage === 'HEADER_CONVERTER' ? classNames.header : this.#chain.lastClass;
  }
}

function consumedOf(topic: string, partition: number, record: KafkaRecord): ConsumedRecord {
  const { offset, timestamp, key, value, headers } = record;
  return { topic, partition, offset, timestamp, key, value, headers };
}
