// `millrace start`: bundled broker, worker and REST in one process.
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type BrokerThreadHandle, startBrokerThread } from '@millrace/broker/thread';
import type { StandaloneConnector } from '@millrace/connect-runtime';
import { configFromEnvironment, parseWorkerConfig, restConfig } from '@millrace/connect-runtime/config';
import {
  collectWhenQuiet,
  createMetrics,
  keepYoungSpace,
  LogHub,
  type LogLevel,
  systemClock,
} from '@millrace/foundation';
import { type Command, Option } from 'commander';
import { formatHostPort, type HostPort, parseHostPort } from './addresses.ts';
import { logOutput, logToFile } from './log-output.ts';
import { pluginPathNotes } from './plugin-path.ts';
import { readBrokerProperties, readProperties, withVariables } from './read-properties.ts';
import { RunningParts } from './running.ts';
import { packageVersion } from './version.ts';

const YOUNG_SPACE_MB = 4;
/**
 * Bytes of bytecode that V8 lets a function run before it thinks of optimizing it: four times its default, of which the first
 * million records of a source cost 1.2 us of CPU each in V8's helpers, and half of that with this. What runs once a batch or a
 * request is not worth optimizing soon.
 */
const OPTIMIZE_AFTER_BYTES = 264 * 1024;

/** What `millrace start` is told. */
export interface StartFlags {
  readonly brokerConfig?: string;
  readonly data: string;
  readonly kafka?: string;
  readonly rest?: string;
  readonly registry?: string;
  readonly logLevel: LogLevel;
  /** Whether it ends when the process that started it with a channel does. */
  readonly endWithParent?: true;
  /** Where logs go instead of stderr. */
  readonly logFile?: string;
}

/** Where a started Millrace answers: `HOST:PORT` and `http://HOST:PORT`. */
export interface StartedAddresses {
  readonly kafka: string;
  readonly rest: string;
}

/** What a worker without a group runs. */
export interface StandaloneFlags {
  readonly connectors: readonly StandaloneConnector[];
}

const DEFAULT_KAFKA: HostPort = { host: '127.0.0.1', port: 9092 };

export function registerStart(program: Command): void {
  withStartOptions(program.command('start'))
    .description('run broker, worker and REST in this process')
    .argument(
      '[worker.properties]',
      'worker settings, as Kafka Connect has them (connect-distributed.properties)',
    )
    .option('--registry <host:port>', 'where the schema registry listens')
    .addOption(new Option('--end-with-parent').hideHelp())
    .addHelpText(
      'after',
      examples([
        ['millrace start', 'broker, worker and REST of one machine, all in ./data'],
        [
          'millrace start connect-distributed.properties',
          'a worker on the Kafka that bootstrap.servers names',
        ],
        [
          'millrace start connect-distributed.properties --kafka 127.0.0.1:9092',
          'the same on the bundled broker',
        ],
        ['CONNECT_GROUP_ID=orders millrace start', 'settings from the environment'],
      ]),
    )
    .action(async (propertiesFile: string | undefined, flags: StartFlags) => {
      await runMillrace(flags, (parts) => startMillrace(propertiesFile, flags, parts));
    });
}

/** The options of every command that runs a worker. */
export function withStartOptions(command: Command): Command {
  return command
    .option('--broker-config <file>', 'settings of the bundled broker, as Kafka has them (server.properties)')
    .option('--data <dir>', 'folder that holds everything', './data')
    .option('--kafka <host:port>', 'where the bundled broker listens (default 127.0.0.1:9092)')
    .option(
      '--rest <host:port>',
      'where REST listens, before the listeners of the file (default 127.0.0.1:8083)',
    )
    .option('--log-level <level>', 'fatal, error, warn, info, debug or trace', 'info');
}

/** Lines of help that show a command as it is used. */
export function examples(lines: readonly (readonly [command: string, what: string])[]): string {
  const shown = lines.map(([command, what]) => `  ${command}\n      ${what}`);
  return `\nExamples:\n${shown.join('\n')}`;
}

/** Runs until a signal or a failure; prints where it answers once it does. */
export async function runMillrace(
  flags: StartFlags,
  start: (parts: RunningParts) => Promise<StartedAddresses>,
): Promise<void> {
  const parts = new RunningParts();
  keepYoungSpace(YOUNG_SPACE_MB);
  setFlagsFromString(`--interrupt-budget=${OPTIMIZE_AFTER_BYTES}`);
  parts.endOnSignals();
  if (flags.endWithParent) process.once('disconnect', () => void parts.end(0));
  try {
    const { kafka, rest } = await start(parts);
    collectWhenQuiet();
    process.stdout.write(`ready kafka=${kafka} rest=${rest}\n`);
  } catch (error) {
    parts.fail('Millrace could not start.', error);
  }
}

/** Starts broker and worker; `parts` closes them. @throws config.invalid, broker.* and connect.* codes */
export async function startMillrace(
  propertiesFile: string | undefined,
  flags: StartFlags,
  parts: RunningParts,
  standalone?: StandaloneFlags,
): Promise<StartedAddresses> {
  const output = flags.logFile === undefined ? logOutput(process.stderr.isTTY) : logToFile(flags.logFile);
  const logHub = new LogHub({ level: flags.logLevel, ...output });
  const logger = logHub.logger('millrace');
  const properties = await withVariables({
    ...configFromEnvironment(process.env),
    ...(propertiesFile === undefined ? {} : readProperties(propertiesFile)),
  });
  for (const note of await pluginPathNotes(properties['plugin.path'] ?? '')) logger.warn(note);
  // What is wrong with the config is told before anything is started.
  const config = parseWorkerConfig(properties);
  restConfig(config, process.env);
  parts.allowForTasks(
    config.resolved.int('task.shutdown.graceful.timeout.ms') + config.resolved.int('offset.flush.timeout.ms'),
  );
  const dataDir = path.resolve(flags.data);
  const external = flags.kafka === undefined ? properties['bootstrap.servers'] : undefined;
  if (flags.kafka !== undefined && properties['bootstrap.servers'] !== undefined) {
    logger.warn('--kafka starts the bundled broker; bootstrap.servers of the worker config has no effect');
  }
  if (flags.registry !== undefined) {
    logger.warn('this release has no schema registry yet; --registry has no effect');
  }
  // The broker's thread loads its code while this one loads the worker's.
  const [broker, { startWorker }, { pluginEntries }] = await Promise.all([
    external === undefined ? startBundledBroker(flags, dataDir, logHub, parts) : undefined,
    import('@millrace/connect-runtime'),
    import('./plugins.ts'),
  ]);
  const { 'bootstrap.servers': inside, ...insideSecurity } = broker?.inside ?? {};
  const bootstrapServers = external ?? inside ?? '';
  const worker = await startWorker({
    // The worker logs in at the bundled broker as the broker's own config says, unless its config says how.
    properties:
      properties['security.protocol'] === undefined ? { ...insideSecurity, ...properties } : properties,
    pluginEntries,
    pluginsModule: new URL('../dist/plugins.js', import.meta.url),
    bootstrapServers,
    ...(standalone === undefined ? {} : { standalone }),
    ...(flags.rest === undefined ? {} : { rest: parseHostPort(flags.rest, '--rest') }),
    dataDir,
    logHub,
    metrics: createMetrics(),
    ...(broker ? { moreMetrics: () => broker.metrics(), handOver: () => broker.shareRecords() } : {}),
    clock: systemClock,
    env: process.env,
    version: packageVersion(),
    onFatal: (error) => parts.fail('The worker cannot go on.', error),
  });
  parts.onClose(async () => await worker[Symbol.asyncDispose]());
  return { kafka: broker ? formatHostPort(broker) : bootstrapServers, rest: worker.restUrl };
}

async function startBundledBroker(
  flags: StartFlags,
  dataDir: string,
  logHub: LogHub,
  parts: RunningParts,
): Promise<BrokerThreadHandle> {
  const properties = await readBrokerProperties(flags.brokerConfig);
  const hasListeners = properties['listeners'] !== undefined;
  const listen =
    flags.kafka === undefined
      ? hasListeners
        ? undefined
        : DEFAULT_KAFKA
      : parseHostPort(flags.kafka, '--kafka');
  const broker = await startBrokerThread({
    dataDirectory: dataDir,
    properties,
    ...(listen === undefined ? {} : { listen }),
    logger: logHub.logger('kafka.server'),
  });
  parts.onClose(() => broker.close());
  void broker.crashed.then((error) => parts.fail('The bundled broker has died.', error));
  return broker;
}
