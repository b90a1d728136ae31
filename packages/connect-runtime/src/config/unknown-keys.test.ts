import type { SinkConnectorPlugin } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { PluginRegistry } from '../plugins.ts';
import { keyWarnings } from './unknown-keys.ts';

const notMade = (): never => {
  throw new Error('not made here');
};
const plugin: SinkConnectorPlugin = {
  kind: 'sink',
  className: 'org.example.ThingSinkConnector',
  version: '1',
  configDef: new ConfigDef([
    {
      name: 'table.include.list',
      type: 'LIST',
      default: [],
      importance: 'HIGH',
      doc: '',
      aliases: ['table.whitelist'],
    },
  ]),
  passThrough: (key) => key.startsWith('driver.'),
  createConnector: notMade,
  createTask: notMade,
};

describe('keyWarnings', () => {
  it('name the nearest key, of the connector or of Connect', () => {
    const config = {
      name: 'c',
      topics: 't',
      'table.includ.list': 'a',
      'task.max': '1',
      'table.whitelist': 'a',
      'driver.anything': 'x',
      'transforms.a.type': 'X',
      'value.converter.schemas.enable': 'false',
      'completely.unlike.everything': '1',
    };
    expect(keyWarnings(config, plugin, new PluginRegistry([])).map(({ message }) => message)).toEqual([
      'table.whitelist is an old name; use table.include.list instead.',
      'table.includ.list is not a key of this connector and has no effect. Did you mean table.include.list?',
      'task.max is not a key of this connector and has no effect. Did you mean tasks.max?',
      'completely.unlike.everything is not a key of this connector and has no effect.',
    ]);
  });
});
