// The manifest: what Millrace reads to list, validate and start the connector.
import { stat } from 'node:fs/promises';
import type { SourceConnectorPlugin } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { configDef } from './config.ts';
import { FolderSourceTask } from './task.ts';

export const plugin: SourceConnectorPlugin = {
  kind: 'source',
  className: 'com.example.FolderSourceConnector',
  version: '0.1.0',
  configDef,

  /** What no single key can say: called once every key is right. */
  async validate(config) {
    const folder = config['folder'] ?? '';
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return { problems: [] };
    return { problems: [{ key: 'folder', message: `${folder} is no folder that can be read` }] };
  },

  /** Cuts the work into tasks. One folder has one order, so there is one task. */
  createConnector() {
    let config: RawConfig = {};
    return {
      async start(_context, given) {
        config = given;
      },
      async taskConfigs() {
        return [config];
      },
      async stop() {},
    };
  },

  createTask: () => new FolderSourceTask(),
};
