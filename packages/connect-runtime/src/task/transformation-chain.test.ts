import { type ConnectRecord, type Plugin, type PluginEntry, SourceRecord } from '@millrace/connect-api';
import { ConfigDef, javaTrace, type RawConfig } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { PluginRegistry } from '../plugins.ts';
import { createChain } from './transformation-chain.ts';

const simple = { version: '1', configDef: new ConfigDef([]) };
const plugins: Plugin[] = [
  {
    ...simple,
    kind: 'transformation',
    className: 'test.Append',
    create: () => {
      let suffix = '';
      return {
        configure: (settings: RawConfig) => {
          suffix = settings['suffix'] ?? '';
        },
        apply: <R extends ConnectRecord>(record: R): R => record.with({ topic: record.topic + suffix }),
      };
    },
  },
  {
    ...simple,
    kind: 'transformation',
    className: 'test.Drop',
    create: () => ({ configure: () => undefined, apply: () => null }),
  },
  {
    ...simple,
    kind: 'predicate',
    className: 'test.IsA',
    create: () => ({
      configure: () => undefined,
      test: (record: ConnectRecord) => record.topic.startsWith('a'),
    }),
  },
];
const registry = new PluginRegistry(
  plugins.map(
    (plugin): PluginEntry => ({
      kind: plugin.kind,
      className: plugin.className,
      version: '1',
      load: () => Promise.resolve(plugin),
    }),
  ),
);
const record = (topic: string): SourceRecord =>
  new SourceRecord({ sourcePartition: {}, sourceOffset: {}, topic });

describe('createChain', () => {
  it('applies transforms in order', async () => {
    const chain = await createChain(
      {
        transforms: 'x, y',
        'transforms.x.type': 'test.Append',
        'transforms.x.suffix': '1',
        'transforms.y.type': 'test.Append',
        'transforms.y.suffix': '2',
      },
      registry,
    );
    expect(chain.apply(record('t'))?.topic).toBe('t12');
  });

  it('asks the predicate which records a transform sees, negated or not', async () => {
    const config = {
      transforms: 'd',
      'transforms.d.type': 'test.Drop',
      'transforms.d.predicate': 'p',
      predicates: 'p',
      'predicates.p.type': 'test.IsA',
    };
    const plain = await createChain(config, registry);
    expect([plain.apply(record('a')), plain.apply(record('b'))?.topic]).toEqual([null, 'b']);
    const negated = await createChain({ ...config, 'transforms.d.negate': 'true' }, registry);
    expect([negated.apply(record('a'))?.topic, negated.apply(record('b'))]).toEqual(['a', null]);
  });

  it('refuses a predicate that is not there, as Connect words and wraps it', async () => {
    const config = { transforms: 'd', 'transforms.d.type': 'test.Drop', 'transforms.d.predicate': 'p' };
    const error: unknown = await createChain(config, registry).catch((thrown: unknown) => thrown);
    const connect = 'org.apache.kafka.connect.errors.ConnectException: ';
    const said =
      "org.apache.kafka.common.config.ConfigException: Unknown configuration 'predicates.p.plugin.version'";
    expect(
      javaTrace(error)
        .split('\n')
        .filter((line) => /^(org|Caused)/.test(line)),
    ).toEqual([`${connect}${connect}${said}`, `Caused by: ${connect}${said}`, `Caused by: ${said}`]);
  });
});
