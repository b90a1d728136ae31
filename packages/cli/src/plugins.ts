// The plug-ins that come with Millrace: names now, code on first use. Threads import this module for themselves.
import type { Plugin, PluginEntry } from '@millrace/connect-api';
import { converterPlugins } from '@millrace/converters';
import { CONTRACT_VERSION } from '@millrace/data';
import { transformPlugins } from '@millrace/transforms';

const CONNECT_VERSION = '4.3.1';

function connector(
  kind: 'source' | 'sink',
  className: string,
  version: string,
  load: () => Promise<Plugin>,
  aliases: readonly string[] = [],
): PluginEntry {
  return { kind, className, version, aliases, load };
}

/** Every plug-in of the distribution. */
export const pluginEntries: readonly PluginEntry[] = [
  connector(
    'source',
    'org.apache.kafka.connect.file.FileStreamSourceConnector',
    CONNECT_VERSION,
    async () => (await import('@millrace/connector-file')).fileStreamSource,
  ),
  connector(
    'sink',
    'org.apache.kafka.connect.file.FileStreamSinkConnector',
    CONNECT_VERSION,
    async () => (await import('@millrace/connector-file')).fileStreamSink,
  ),
  connector(
    'source',
    'io.debezium.connector.postgresql.PostgresConnector',
    CONTRACT_VERSION,
    async () => (await import('@millrace/connector-postgres')).plugin,
  ),
  connector(
    'sink',
    'io.millrace.connect.redis.RedisSinkConnector',
    '0.1.0',
    async () => (await import('@millrace/connector-redis')).plugin,
    ['com.redis.kafka.connect.RedisSinkConnector'],
  ),
  ...converterPlugins,
  ...transformPlugins,
];
