// The manifest: what Millrace reads to list, validate and start the connector.
import type { SinkConnectorPlugin } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { configDef } from './config.ts';
import { FolderSinkTask } from './task.ts';

export const plugin: SinkConnectorPlugin = {
  kind: 'sink',
  className: 'com.example.FolderSinkConnector',
  version: '0.1.0',
  configDef,

  /** Partitions are shared among the tasks, so every task has the same config. */
  createConnector() {
    let config: RawConfig = {};
    return {
      async start(_context, given) {
        config = given;
      },
      async taskConfigs(maxTasks) {
        return Array.from({ length: maxTasks }, () => config);
      },
      async stop() {},
    };
  },

  createTask: () => new FolderSinkTask(),
};
