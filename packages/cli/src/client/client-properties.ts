// The settings of a Kafka client as commands get them: `--bootstrap-server` over a properties file over the environment.
import { readFileSync } from 'node:fs';
import { messageOf, parseProperties, silentLogger, systemClock } from '@millrace/foundation';
import { type ClusterOptions, clientSecurity } from '@millrace/kafka-client';
import { CliError } from './cli-error.ts';

/** What a command was told about the cluster. */
export interface ClientFlags {
  readonly bootstrapServer?: string;
  /** A file of client properties, as Kafka's tools take it. */
  readonly commandConfig?: string;
}

const DEFAULT_BOOTSTRAP = '127.0.0.1:9092';
/** A person waits: shorter than a program's minute. */
const API_TIMEOUT_MS = 10_000;

/** The options of a cluster connection. @throws CliError that names the file or the key */
export function clusterOptions(flags: ClientFlags): ClusterOptions {
  const properties = flags.commandConfig === undefined ? {} : readClientProperties(flags.commandConfig);
  const requestTimeoutMs = milliseconds(properties, 'request.timeout.ms');
  return {
    bootstrapServers:
      flags.bootstrapServer ??
      properties['bootstrap.servers'] ??
      process.env['MILLRACE_BOOTSTRAP'] ??
      DEFAULT_BOOTSTRAP,
    clientId: properties['client.id'] ?? 'millrace-cli',
    logger: silentLogger,
    clock: systemClock,
    defaultApiTimeoutMs: milliseconds(properties, 'default.api.timeout.ms') ?? API_TIMEOUT_MS,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...clientSecurity(properties),
  };
}

function readClientProperties(file: string): Record<string, string> {
  try {
    return parseProperties(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CliError(
      `Cannot read ${file}`,
      messageOf(error),
      'Give --command-config the path of a properties file with client settings.',
      2,
    );
  }
}

function milliseconds(properties: Readonly<Record<string, string>>, key: string): number | undefined {
  const text = properties[key];
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text.trim())) return Number(text);
  throw new CliError(`${key} is ${text}`, 'it is a number of milliseconds', `Write it like ${key}=30000.`, 2);
}
