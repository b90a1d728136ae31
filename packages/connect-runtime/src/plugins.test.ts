import type { PluginEntry } from '@millrace/connect-api';
import { describe, expect, it } from 'vitest';
import { PluginRegistry } from './plugins.ts';

const entry = (kind: PluginEntry['kind'], className: string): PluginEntry => ({
  kind,
  className,
  version: '1',
  load: () => Promise.reject(new Error('not loaded here')),
});

describe('PluginRegistry', () => {
  const registry = new PluginRegistry([
    entry('source', 'org.example.ThingSourceConnector'),
    entry('converter', 'org.example.JsonConverter'),
    entry('header_converter', 'org.example.JsonConverter'),
    entry('transformation', 'org.example.Cast$Value'),
  ]);

  it('finds a plug-in by full, simple and short name', () => {
    for (const name of ['org.example.ThingSourceConnector', 'ThingSourceConnector', 'ThingSource']) {
      expect(registry.find(name, 'source')?.className).toBe('org.example.ThingSourceConnector');
    }
    expect(registry.find('Json')?.kind).toBe('converter');
    expect(registry.find('thingsource')).toBeUndefined();
  });

  it('tells kinds of one class apart', () => {
    expect(registry.find('JsonConverter', 'header_converter')?.kind).toBe('header_converter');
    expect(registry.find('JsonConverter', 'source')).toBeUndefined();
  });

  it('words the second request for an unknown class as Connect does', async () => {
    await expect(registry.connector('Nope')).rejects.toThrow(/^Failed to find any class/);
    await expect(registry.connector('Nope')).rejects.toThrow(
      /^org\.apache\.kafka\.connect\.errors\.ConnectException: Failed to find any class/,
    );
  });
});
