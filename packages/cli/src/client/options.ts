// Options that client commands share.
import { Admin, Cluster, type TopicDescription } from '@millrace/kafka-client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { type ClientFlags, clusterOptions } from './client-properties.ts';
import { type OutputFormat, outputGone } from './output.ts';
import { RestClient } from './rest-client.ts';

export interface RestOptions {
  readonly url: string;
  readonly output: OutputFormat;
}
export interface KafkaOptions extends ClientFlags {
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

/** Adds `--bootstrap-server`, `--command-config` and `-o`. */
export function withKafka(command: Command): Command {
  return command
    .option(
      '--bootstrap, --bootstrap-server <servers>',
      'Kafka address (default: MILLRACE_BOOTSTRAP, then 127.0.0.1:9092)',
    )
    .option('--command-config <file>', 'client properties, as for the tools of Kafka')
    .addOption(outputOption());
}

export function restClient(options: RestOptions): RestClient {
  return new RestClient(options.url);
}

/** Runs with a connection to the cluster and closes it. */
export async function withCluster<T>(
  options: KafkaOptions,
  use: (cluster: Cluster, admin: Admin) => Promise<T>,
): Promise<T> {
  await using cluster = new Cluster(clusterOptions(options));
  return await use(cluster, new Admin(cluster));
}

/** A topic with its partitions. @throws CliError when there is none */
export async function existingTopic(admin: Admin, name: string): Promise<TopicDescription> {
  const [topic] = await admin.describeTopics([name]);
  if (topic) return topic;
  throw new CliError(
    `There is no topic ${name}`,
    'the cluster does not know it',
    'List what there is with `millrace topics`.',
  );
}

/** A whole number of at least 0. */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Expected a whole number of at least 0.');
  return value;
}

/** A whole number of at least 1. */
export function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError('Expected a whole number of at least 1.');
  return value;
}

/** A whole number, with a sign or without. */
export function parseInteger(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Expected a whole number.');
  return value;
}

/** `0,2`, or the option given again. */
export function parsePartitions(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, ...text.split(',').map((part) => parseCount(part.trim()))];
}

/** `NAME=VALUE`; the option may be given again. */
export function parseAssignment(
  text: string,
  before: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected NAME=VALUE.');
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

/** Collects an option that may be given again. */
export function parseMore(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * A point in time, as milliseconds since the epoch: such milliseconds, an ISO 8601 date or time (UTC when it names no
 * zone, as in Kafka's tools), or how long ago: `90s`, `15m`, `2h`, `7d`, `PT15M`, `P7D`.
 */
export function parseTime(text: string): number {
  if (/^\d{11,}$/.test(text)) return parseCount(text);
  const ago = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  if (ago) return Date.now() - Number(ago[1]) * (UNITS_MS[ago[2] ?? ''] ?? 0);
  const iso = /^P(?=\w)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  if (iso) {
    const [days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
    return (
      Date.now() -
      Math.round((days ?? 0) * 86_400_000 + (hours ?? 0) * 3_600_000 + (minutes ?? 0) * 60_000) -
      Math.round((seconds ?? 0) * 1000)
    );
  }
  const isDate = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$/.test(text);
  const hasZone = !text.includes('T') || /(Z|[+-]\d\d:?\d\d)$/.test(text);
  const time = isDate ? Date.parse(hasZone ? text : `${text}Z`) : Number.NaN;
  if (Number.isNaN(time))
    throw new InvalidArgumentError(
      'Expected a time such as 2026-11-28T04:30:00Z, milliseconds since 1970, or how long ago, such as 15m.',
    );
  return time;
}

/** A signal that fires on the first Ctrl-C, and when nobody reads the output any more. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return AbortSignal.any([controller.signal, outputGone]);
}

/** For a default subcommand: `millrace topics X` with an X that is no subcommand. @throws CliError */
export function refuseUnknownSubcommand(command: Command): void {
  const [unknown] = command.args;
  if (unknown === undefined) return;
  const parent = command.parent;
  const known = parent?.commands.map((each) => each.name()).join(', ') ?? '';
  throw new CliError(
    `There is no command ${parent?.name() ?? ''} ${unknown}`,
    `there are ${known}`,
    `Give one of them; millrace ${parent?.name() ?? ''} --help tells what they do.`,
    2,
  );
}
