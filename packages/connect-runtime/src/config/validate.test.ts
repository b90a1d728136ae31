import type { Plugin, PluginEntry, SourceConnectorPlugin } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { PluginRegistry } from '../plugins.ts';
import { pluginKeys, problemText, type ValidationContext, validateConnectorConfig } from './validate.ts';

const plugin: SourceConnectorPlugin = {
  kind: 'source',
  className: 'org.example.ThingSourceConnector',
  version: '1.2.3',
  configDef: new ConfigDef([
    { name: 'port', type: 'INT', importance: 'HIGH', doc: 'Port.' },
    { name: 'secret', type: 'PASSWORD', default: null, importance: 'LOW', doc: 'Secret.' },
  ]),
  validate: (config) =>
    Promise.resolve({ problems: config['port'] === '1' ? [{ key: 'port', message: 'Nobody there.' }] : [] }),
  createConnector: () => notMade(),
  createTask: () => notMade(),
};
const notMade = (): never => {
  throw new Error('not made here');
};
const simple = { version: '1', configDef: new ConfigDef([]), create: notMade };
const json = 'org.apache.kafka.connect.json.JsonConverter';
const simpleHeader = 'org.apache.kafka.connect.storage.SimpleHeaderConverter';
const plugins: Plugin[] = [
  plugin,
  { ...simple, kind: 'converter', className: json },
  { ...simple, kind: 'header_converter', className: simpleHeader },
];
const entries = plugins.map(
  (made): PluginEntry => ({
    kind: made.kind,
    className: made.className,
    version: made.version,
    load: () => Promise.resolve(made),
  }),
);
const context: ValidationContext = {
  plugins: new PluginRegistry(entries),
  workerConverters: {
    key: json,
    value: json,
    header: simpleHeader,
  },
  providers: {},
  overridePolicy: 'All',
  exactlyOnce: false,
};
const base = { name: 'n', 'connector.class': 'ThingSource', port: '5' };
const errorsOf = async (
  config: Record<string, string | null>,
): Promise<Record<string, readonly string[]>> => {
  const infos = await validateConnectorConfig(config, context, AbortSignal.timeout(1000));
  return Object.fromEntries(
    infos.configs
      .filter(({ value }) => value.errors.length > 0)
      .map(({ value }) => [value.name, value.errors]),
  );
};

describe('validateConnectorConfig', () => {
  it('finds a class by its full, simple and short name', async () => {
    for (const name of [plugin.className, 'ThingSourceConnector', 'ThingSource']) {
      expect(await errorsOf({ ...base, 'connector.class': name })).toEqual({});
    }
  });

  it('takes task.thread, says what it may be, and shows it only where it is given', async () => {
    const names = async (config: Record<string, string>): Promise<string[]> =>
      (await validateConnectorConfig(config, context, AbortSignal.timeout(1000))).configs.map(
        ({ value }) => value.name,
      );
    expect(await names(base)).not.toContain('task.thread');
    expect(pluginKeys(plugin, context).map(({ name }) => name)).not.toContain('task.thread');
    expect(await names({ ...base, 'task.thread': 'dedicated' })).toContain('task.thread');
    expect(await errorsOf({ ...base, 'task.thread': 'shared' })).toEqual({});
    expect(await errorsOf({ ...base, 'task.thread': 'mine' })).toEqual({
      'task.thread': [
        'Invalid value mine for configuration task.thread: String must be one of: shared, dedicated',
      ],
    });
  });

  it('reports problems of all parts together', async () => {
    expect(
      await errorsOf({ ...base, port: 'x', 'tasks.max': 'many', 'value.converter': 'Nope', transforms: 'a' }),
    ).toEqual({
      port: ['Invalid value x for configuration port: Not a number of type INT'],
      'tasks.max': [
        'Invalid value many for configuration tasks.max: Not a number of type INT',
        'Invalid value null for configuration tasks.max: Value must be non-null',
      ],
      'value.converter': [
        'Invalid value Nope for configuration value.converter: Class Nope could not be found.',
      ],
      'transforms.a.type': ['Missing required configuration "transforms.a.type" which has no default value.'],
    });
  });

  it('asks the connector only when its own keys are right', async () => {
    expect(await errorsOf({ ...base, port: '1' })).toEqual({ port: ['Nobody there.'] });
    expect(Object.keys(await errorsOf({ ...base, port: 'x' }))).toEqual(['port']);
  });

  it('INV-11: shows no secret', async () => {
    const infos = await validateConnectorConfig(
      { ...base, secret: 'hunter2' },
      context,
      AbortSignal.timeout(1000),
    );
    expect(JSON.stringify(infos)).not.toContain('hunter2');
    expect(infos.configs.find(({ value }) => value.name === 'secret')?.value.value).toBe('[hidden]');
  });

  it('refuses exactly-once delivery that this worker or the connector cannot give', async () => {
    const required = { ...base, 'exactly.once.support': 'required' };
    const errorsOn = async (answer: 'SUPPORTED' | 'UNSUPPORTED' | undefined, exactlyOnce: boolean) => {
      const made = answer === undefined ? plugin : { ...plugin, exactlyOnceSupport: () => answer };
      const [entry] = entries;
      const other = { ...entry, load: () => Promise.resolve(made) } as PluginEntry;
      const registry = new PluginRegistry([other, ...entries.slice(1)]);
      const infos = await validateConnectorConfig(
        required,
        { ...context, plugins: registry, exactlyOnce },
        new AbortController().signal,
      );
      return infos.configs.find(({ value }) => value.name === 'exactly.once.support')?.value.errors;
    };
    const disabled = 'This worker does not have exactly-once source support enabled.';
    expect(await errorsOn('SUPPORTED', true)).toEqual([]);
    expect(await errorsOn('SUPPORTED', false)).toEqual([disabled]);
    expect(await errorsOn('UNSUPPORTED', true)).toEqual([
      'The connector does not support exactly-once semantics with the provided configuration.',
    ]);
    expect(await errorsOn(undefined, false)).toEqual([
      disabled,
      expect.stringMatching(/^The connector does not implement the API required for preflight validation/),
    ]);
  });

  it('puts the problems into Connect’s text', async () => {
    const infos = await validateConnectorConfig({ ...base, port: 'x' }, context, AbortSignal.timeout(1000));
    expect(problemText(infos)).toBe(
      'Connector configuration is invalid and contains the following 1 error(s):\n' +
        'Invalid value x for configuration port: Not a number of type INT\n' +
        'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
    );
  });
});
