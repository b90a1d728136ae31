// The connector: one kind of task, as many as the worker allows.
import type { Connector, ConnectorContext } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';

export class RedisSinkConnector implements Connector {
  #config: RawConfig = {};

  async start(_context: ConnectorContext, config: RawConfig): Promise<void> {
    this.#config = config;
  }
  async taskConfigs(maxTasks: number): Promise<readonly RawConfig[]> {
    return Array.from({ length: maxTasks }, () => this.#config);
  }
  async stop(): Promise<void> {
    // It holds nothing.
  }
}
