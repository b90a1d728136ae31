// The connector as the worker knows it: its manifest, its checks, and the config of its one task.
import type {
  Connector,
  ConnectorContext,
  ConnectorValidation,
  SourceConnectorPlugin,
} from '@millrace/connect-api';
import { CONTRACT_VERSION } from '@millrace/data';
import type { RawConfig } from '@millrace/foundation';
import type pg from 'pg';
import { connectionSettings } from './config.ts';
import { checkValues, isPassThroughKey } from './config-check.ts';
import { postgresConfigDef } from './config-keys.ts';
import { upgradeConfig } from './config-upgrade.ts';
import { connect } from './connection.ts';
import { examine } from './doctor/examine.ts';
import { serverMessage, sqlStateOf } from './errors.ts';
import { findAtSource, leavesBehind } from './held-slots.ts';
import { PostgresSourceTask } from './task.ts';

class PostgresConnector implements Connector {
  #config: RawConfig = {};

  start(_context: ConnectorContext, config: RawConfig): Promise<void> {
    this.#config = config;
    return Promise.resolve();
  }
  /** One task: a slot has one reader. */
  taskConfigs(): Promise<readonly RawConfig[]> {
    return Promise.resolve([this.#config]);
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** Tries the connection, and says what is wrong with it in the Java driver's words. */
async function validateConnection(raw: RawConfig, signal: AbortSignal): Promise<ConnectorValidation> {
  const { config } = postgresConfigDef.parse(raw, isPassThroughKey);
  const settings = connectionSettings(config);
  const { host, port, database } = settings;
  if (port < 1 || port > 65_535)
    return cannotConnect(`Unable to parse URL jdbc:postgresql://${host}:${port}/${database}`);
  let client: pg.Client | undefined;
  const abort = (): void => void client?.end().catch(() => undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    client = await connect(settings);
    // The driver takes the timeout with its first statement, not before it is connected.
    if (config.int('database.query.timeout.ms') < 0)
      return cannotConnect('Query timeout must be a value greater than or equals to 0.');
    await client.query('SELECT version()');
    return { problems: [] };
  } catch (error) {
    return cannotConnect(driverMessage(error, host, port));
  } finally {
    signal.removeEventListener('abort', abort);
    await client?.end().catch(() => undefined);
  }
}

function cannotConnect(why: string): ConnectorValidation {
  return {
    problems: [{ key: 'database.hostname', message: `Error while validating connector config: ${why}` }],
  };
}

function driverMessage(error: unknown, host: string, port: number): string {
  const state = sqlStateOf(error);
  if (state === 'ECONNREFUSED') {
    return `Connection to ${host}:${port} refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.`;
  }
  if (state === 'ENOTFOUND' || state === 'EAI_AGAIN' || state === 'ETIMEDOUT' || state === 'EHOSTUNREACH') {
    return 'The connection attempt failed.';
  }
  const message = serverMessage(error);
  return /does not support SSL/i.test(message) ? 'The server does not support SSL.' : message;
}

export const plugin: SourceConnectorPlugin = {
  kind: 'source',
  className: 'io.debezium.connector.postgresql.PostgresConnector',
  version: CONTRACT_VERSION,
  configDef: postgresConfigDef,
  upgradeConfig,
  passThrough: isPassThroughKey,
  checkValues,
  validate: validateConnection,
  examine,
  leavesBehind,
  findAtSource,
  createConnector: () => new PostgresConnector(),
  createTask: () => new PostgresSourceTask(),
  exactlyOnceSupport: () => 'SUPPORTED',
};
