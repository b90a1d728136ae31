// Options that client commands share.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Cluster } from '@millrace/kafka-client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { OutputFormat } from './output.ts';
import { RestClient } from './rest-client.ts';

export interface RestOptions {
  readonly url: string;
  readonly output: OutputFormat;
}
export interface KafkaOptions {
  readonly bootstrap: string;
  readonly output: OutputFormat;
}

const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table');

/** Adds `--url` and `-o`. */
export function withRest(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'REST address of the worker')
        .env('MILLRACE_URL')
        .default('http://127.0.0.1:8083'),
    )
    .addOption(outputOption());
}

/** Adds `--bootstrap` and `-o`. */
export function withKafka(command: Command): Command {
  return command
    .addOption(
      new Option('--bootstrap <servers>', 'Kafka address')
        .env('MILLRACE_BOOTSTRAP')
        .default('127.0.0.1:9092'),
    )
    .addOption(outputOption());
}

export function restClient(options: RestOptions): RestClient {
  return new RestClient(options.url);
}

/** Runs with a connection to the cluster and closes it. */
export async function withCluster<T>(
  options: KafkaOptions,
  use: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  await using cluster = new Cluster({
    bootstrapServers: options.bootstrap,
    clientId: 'millrace-cli',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: 10_000,
  });
  return await use(cluster);
}

/** A whole number of at least 0. */
export function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('Expected a whole number of at least 0.');
  return value;
}

/** A signal that fires on the first Ctrl-C. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}
