// `millrace produce TOPIC`: a record for each line of standard input, acknowledged by all replicas.
import { createInterface } from 'node:readline';
import { silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, Cluster } from '@millrace/kafka-client';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError } from './cli-error.ts';
import { type KafkaOptions, parseCount, withCluster, withKafka } from './options.ts';
import { print } from './output.ts';

interface ProduceOptions extends KafkaOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly header: readonly (readonly [string, string])[];
  readonly partition?: number;
  readonly nullMarker?: string;
}

const HELD_AT_MOST = 1000;

export function registerProduce(program: Command): void {
  withKafka(
    program
      .command('produce <topic>')
      .description('write a record for each line of standard input')
      .option('-k, --key <key>', 'key of every record')
      .option('-K, --key-separator <text>', 'each line is KEY, this text, VALUE')
      .option('-H, --header <name=value>', 'a header; may be given again', addHeader, [])
      .option('-p, --partition <n>', 'write to this partition', parseCount)
      .option('-Z, --null-marker <text>', 'a value equal to this text is a null (a tombstone)'),
  ).action(async (topic: string, options: ProduceOptions) => {
    const written = await withCluster(options, (cluster) => produce(cluster, topic, options));
    print(options.output, { topic, records: written }, () => `${written} records written to ${topic}`);
  });
}

async function produce(cluster: Cluster, topic: string, options: ProduceOptions): Promise<number> {
  await using producer = new BatchProducer({ cluster, logger: silentLogger, clock: systemClock });
  const headers = options.header.map(([key, value]) => ({ key, value: Buffer.from(value) }));
  let sending: Promise<unknown>[] = [];
  let written = 0;
  for await (const text of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const [key, value] = split(text, options);
    const record = {
      topic,
      key: key === undefined ? null : Buffer.from(key),
      value: value === options.nullMarker ? null : Buffer.from(value),
      headers,
      ...(options.partition === undefined ? {} : { partition: options.partition }),
    };
    sending.push(producer.send(record));
    written++;
    if (sending.length >= HELD_AT_MOST) {
      await Promise.all(sending);
      sending = [];
    }
  }
  await Promise.all(sending);
  return written;
}

function split(text: string, options: ProduceOptions): [key: string | undefined, value: string] {
  if (options.keySeparator === undefined) return [options.key, text];
  const at = text.indexOf(options.keySeparator);
  if (at < 0)
    throw new CliError(
      'A line has no key',
      `${JSON.stringify(text.slice(0, 80))} does not hold ${JSON.stringify(options.keySeparator)}`,
      'Write KEY, the separator, VALUE on each line.',
      2,
    );
  return [text.slice(0, at), text.slice(at + options.keySeparator.length)];
}

function addHeader(
  text: string,
  before: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected NAME=VALUE.');
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}
