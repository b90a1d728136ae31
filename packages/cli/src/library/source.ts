// A source connector and its one task, started from a config without a worker around them.
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Connector, OffsetReader, SourceConnectorPlugin, SourceTask } from '@millrace/connect-api';
import { defaultProviders, PluginRegistry, resolveVariables } from '@millrace/connect-runtime/embedding';
import {
  ConfigDef,
  createMetrics,
  type Logger,
  LogHub,
  messageOf,
  type RawConfig,
  systemClock,
  validators,
} from '@millrace/foundation';
import { pluginEntries } from '../plugins.ts';
import { libraryError } from './errors.ts';
import type { MillraceOptions } from './options.ts';

/** A config that was found right, and what it is for. */
export interface CheckedSource {
  readonly name: string;
  readonly config: RawConfig;
  readonly plugin: SourceConnectorPlugin;
  readonly plugins: PluginRegistry;
  readonly logger: Logger;
  readonly flushIntervalMs: number;
}

export interface StartedSource extends AsyncDisposable {
  readonly task: SourceTask;
}

const VALIDATION_MS = 90_000;

/** The keys that are the worker's elsewhere. */
const OWN_KEYS = new ConfigDef([
  {
    name: 'name',
    type: 'STRING',
    default: 'millrace',
    importance: 'HIGH',
    doc: 'Under which offsets are kept.',
  },
  {
    name: 'offset.flush.interval.ms',
    type: 'LONG',
    default: 1000,
    importance: 'LOW',
    doc: 'How often acknowledgements are saved.',
    validator: validators.between(1, 2 ** 31 - 1),
  },
]);

/** @throws library.no_source, library.invalid_config with every problem there is */
export async function checkSource(options: MillraceOptions): Promise<CheckedSource> {
  const more = (options.plugins ?? []).map((plugin) => ({ ...plugin, load: () => Promise.resolve(plugin) }));
  const plugins = new PluginRegistry([...pluginEntries, ...more]);
  const texts = Object.fromEntries(
    Object.entries(options.config).map(([key, value]) => [key, String(value)]),
  );
  const given = await resolveVariables(
    { 'tombstones.on.delete': 'false', ...texts },
    defaultProviders(process.env),
  );
  const plugin = await sourceOf(given['connector.class'] ?? '', plugins);
  const logger = new LogHub({ level: options.logLevel ?? 'warn' }).logger(plugin.className, {
    connector: given['name'] ?? 'millrace',
  });
  const upgraded = plugin.upgradeConfig?.(given);
  for (const { key, message } of upgraded?.warnings ?? []) logger.warn({ key }, message);
  const config = upgraded?.config ?? given;
  const ours = OWN_KEYS.parse(config);
  const own = [
    ...ours.problems,
    ...(plugin.checkValues?.(config) ?? plugin.configDef.parse(config, plugin.passThrough).problems),
  ];
  const problems =
    own.length > 0
      ? own
      : ((await plugin.validate?.(config, AbortSignal.timeout(VALIDATION_MS)))?.problems ?? []);
  const [first] = problems;
  if (first) {
    const text = problems.map(({ key, message }) => `${key}: ${message}`).join('\n');
    throw libraryError('library.invalid_config', text, { configKey: first.key });
  }
  const name = ours.config.string('name');
  return {
    name,
    config,
    plugin,
    plugins,
    logger,
    flushIntervalMs: ours.config.int('offset.flush.interval.ms'),
  };
}

async function sourceOf(className: string, plugins: PluginRegistry): Promise<SourceConnectorPlugin> {
  const entry = plugins.find(className.trim(), 'source');
  if (!entry) {
    throw libraryError('library.no_source', `There is no source ${JSON.stringify(className)}`, {
      configKey: 'connector.class',
      hint: `Give connector.class one of ${plugins.classNames('source').join(', ')}.`,
    });
  }
  return (await plugins.load(entry)) as SourceConnectorPlugin;
}

/** Starts the connector and its task; what was started is stopped again when that fails. */
export async function startSource(
  { name, config, plugin, logger }: CheckedSource,
  offsets: OffsetReader,
  { spoolFolder, onFailed }: { spoolFolder: string | undefined; onFailed: (error: Error) => void },
): Promise<StartedSource> {
  const connector: Connector = plugin.createConnector();
  const task = plugin.createTask();
  const stop = async (): Promise<void> => {
    for (const each of [task, connector]) {
      await each.stop().catch((error: unknown) => {
        logger.warn({ err: error }, `a part of the connector did not stop cleanly: ${messageOf(error)}`);
      });
    }
  };
  try {
    await connector.start(
      {
        connectorName: name,
        logger,
        raiseError: onFailed,
        // With one task at most there is nothing to share out anew.
        requestTaskReconfiguration: () => undefined,
      },
      config,
    );
    const [taskConfig] = await connector.taskConfigs(1);
    await task.start({
      connectorName: name,
      taskId: 0,
      config: taskConfig ?? config,
      logger,
      clock: systemClock,
      metrics: createMetrics(),
      offsets,
      spoolFolder: spoolFolder ?? path.join(tmpdir(), `millrace-spool-${fingerprint(name, config)}`),
      topicLog: (topic) => {
        const text = `Without a broker there is no topic ${topic}`;
        return Promise.reject(
          libraryError('library.no_broker', text, { configKey: 'signal.enabled.channels' }),
        );
      },
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { task, [Symbol.asyncDispose]: stop };
}

/** The same for the next run of this connector, and no other's. */
function fingerprint(name: string, config: RawConfig): string {
  const facts = [name, config['topic.prefix'], config['database.hostname'], config['slot.name']];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}
