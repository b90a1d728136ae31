// `millrace produce TOPIC`: records from standard input, acknowledged by all replicas.
import { type MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, type Cluster } from '@millrace/kafka-client';
import { type Compression, joined } from '@millrace/kafka-protocol';
import { type Command, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { readLines, readWhole } from './lines.ts';
import {
  interruption,
  type KafkaOptions,
  parseAssignment,
  parseCount,
  withCluster,
  withKafka,
} from './options.ts';
import { print } from './output.ts';
import { type InputRecord, type LineOptions, parseJsonRecord, parseLine } from './record-input.ts';

interface ProduceOptions extends KafkaOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly parseHeaders?: true;
  readonly header?: readonly (readonly [string, string])[];
  readonly partition?: number;
  readonly nullMarker?: string;
  readonly format: 'text' | 'json' | 'raw';
  readonly compression: Compression;
}

const MAX_RECORD_BYTES = 64 * 1024 * 1024;
const BUFFER_BYTES = 32 * 1024 * 1024;
const DELIVERY_TIMEOUT_MS = 120_000;

export function registerProduce(program: Command): void {
  withKafka(
    program
      .command('produce <topic>')
      .description('write records from standard input, one a line')
      .option('-k, --key <key>', 'key of every record')
      .option('-K, --key-separator <text>', 'each line is KEY, this text, VALUE')
      .option('--parse-headers', 'each line begins with NAME:VALUE,NAME:VALUE and a tab')
      .option('-H, --header <name=value>', 'a header of every record; may be given again', parseAssignment)
      .option('-p, --partition <n>', 'write to this partition', parseCount)
      .option('-Z, --null-marker <text>', 'a key or value equal to this text is a null (a tombstone)')
      .addOption(
        new Option(
          '-f, --format <format>',
          'text: a record a line; json: as `consume -f json` prints; raw: all input is one record',
        )
          .choices(['text', 'json', 'raw'])
          .default('text'),
      )
      .addOption(
        new Option('-z, --compression <codec>', 'how batches are compressed')
          .choices(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
          .default('none'),
      ),
  ).action(async (topic: string, options: ProduceOptions) => {
    const written = await withCluster(options, (cluster) => produce(cluster, topic, options));
    print(
      options.output,
      { topic, records: written },
      () => `${written} ${written === 1 ? 'record' : 'records'} written to ${topic}`,
    );
  });
}

async function produce(cluster: Cluster, topic: string, options: ProduceOptions): Promise<number> {
  const stop = new AbortController();
  const signal = AbortSignal.any([interruption(), stop.signal]);
  let written = 0;
  let failure: MillraceError | undefined;
  await using producer = new BatchProducer({
    cluster,
    logger: silentLogger,
    clock: systemClock,
    compression: options.compression,
    bufferMemoryBytes: BUFFER_BYTES,
    maxRequestSize: MAX_RECORD_BYTES,
    deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
    onAcked: (tokens) => {
      written += tokens.length;
    },
    onFailed: (_tokens, _topic, _partition, error) => {
      failure ??= error;
      stop.abort();
    },
  });
  await producer.prepare(topic);
  for await (const record of readRecords(options, signal)) {
    await append(producer, topic, record);
    if (failure) break;
  }
  await producer.flush();
  if (failure === undefined) return written;
  throw new CliError(
    failure.message,
    `${written} records were written before it`,
    failure.hint ?? 'Correct the cause and send the rest.',
  );
}

async function append(producer: BatchProducer, topic: string, record: InputRecord): Promise<void> {
  const { key, value, headers, partition, timestamp } = record;
  const source = joined(key, value);
  const keyEnd = key?.length ?? 0;
  const valueEnd = keyEnd + (value?.length ?? 0);
  const take = (): boolean =>
    producer.append(
      topic,
      partition ?? null,
      timestamp ?? Date.now(),
      source,
      key === null ? -1 : 0,
      keyEnd,
      value === null ? -1 : keyEnd,
      valueEnd,
      headers,
      0,
    );
  while (!take()) await producer.ready();
}

async function* readRecords(options: ProduceOptions, signal: AbortSignal): AsyncGenerator<InputRecord> {
  const encoded = (text: string | undefined): Buffer | undefined =>
    text === undefined ? undefined : Buffer.from(text);
  const lineOptions: LineOptions = {
    key: encoded(options.key),
    keySeparator: encoded(options.keySeparator),
    parseHeaders: options.parseHeaders === true,
    headers: (options.header ?? []).map(([key, value]) => ({ key, value: Buffer.from(value) })),
    partition: options.partition,
    nullMarker: encoded(options.nullMarker),
  };
  if (options.format === 'raw') {
    const { key = null, headers, partition } = lineOptions;
    yield { key, value: await readWhole(process.stdin, MAX_RECORD_BYTES, signal), headers, partition };
    return;
  }
  let number = 0;
  for await (const line of readLines(process.stdin, MAX_RECORD_BYTES, signal)) {
    number++;
    if (options.format === 'text') yield parseLine(line, lineOptions, number);
    else if (line.length > 0) yield parseJsonRecord(line, lineOptions, number);
  }
}
