import type { PluginEntry } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { PluginRegistry } from '../plugins.ts';
import type { TaskSpec } from '../task/task-runner.ts';
import { usesOthers } from './uses.ts';

const entry = (kind: PluginEntry['kind'], className: string): PluginEntry => ({
  kind,
  className,
  version: '1',
  load: () => Promise.reject(new Error('not loaded here')),
});
const own = [
  entry('source', 'org.example.ThingSourceConnector'),
  entry('converter', 'org.example.JsonConverter'),
  entry('header_converter', 'org.example.SimpleHeaderConverter'),
  entry('transformation', 'org.example.Filter'),
];
const others = [
  entry('source', 'com.acme.NumbersSourceConnector'),
  entry('converter', 'com.acme.TextConverter'),
  entry('header_converter', 'com.acme.TextHeaderConverter'),
  entry('transformation', 'com.acme.Suffix$Value'),
  entry('predicate', 'com.acme.IsOdd'),
];
const registry = new PluginRegistry([...own, ...others]);

const WORKER = {
  'key.converter': 'org.example.JsonConverter',
  'value.converter': 'org.example.JsonConverter',
  'header.converter': 'org.example.SimpleHeaderConverter',
};

function uses(
  connectorConfig: RawConfig,
  connectorClass = 'org.example.ThingSourceConnector',
  workerConverters: RawConfig = WORKER,
): boolean {
  const spec = { connectorClass, connectorConfig, settings: { workerConverters } } as unknown as TaskSpec;
  return usesOthers(spec, registry, new Set(others));
}

describe('whether a task runs code of others', () => {
  it('does not when all of it comes with Millrace', () => {
    const filter = { transforms: 'f', 'transforms.f.type': 'Filter' };
    expect(uses({ ...filter, 'value.converter': 'JsonConverter' })).toBe(false);
    // What is configured and not named by the list is not used.
    expect(uses({ ...filter, 'transforms.s.type': 'com.acme.Suffix$Value' })).toBe(false);
  });

  it.each<[string, RawConfig]>([
    [
      'a transform',
      { transforms: 'f, s', 'transforms.f.type': 'Filter', 'transforms.s.type': 'com.acme.Suffix$Value' },
    ],
    ['a predicate', { predicates: 'p', 'predicates.p.type': 'IsOdd' }],
    ['a converter of keys', { 'key.converter': 'com.acme.TextConverter' }],
    ['a converter of values, by its short name', { 'value.converter': 'TextConverter' }],
    ['a converter of headers', { 'header.converter': 'com.acme.TextHeaderConverter' }],
  ])('does with %s of others', (_what, config) => {
    expect(uses(config)).toBe(true);
  });

  it('does with a connector of others, and with a converter that the worker names for all', () => {
    expect(uses({}, 'com.acme.NumbersSourceConnector')).toBe(true);
    const converter = { ...WORKER, 'value.converter': 'com.acme.TextConverter' };
    expect(uses({}, 'org.example.ThingSourceConnector', converter)).toBe(true);
    expect(uses({ 'value.converter': 'JsonConverter' }, 'org.example.ThingSourceConnector', converter)).toBe(
      false,
    );
  });
});
