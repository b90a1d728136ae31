import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { clientSettings, configFromEnvironment, parseWorkerConfig } from './worker-config.ts';

describe('worker config', () => {
  it('has defaults for everything', () => {
    const { resolved, warnings } = parseWorkerConfig({});
    expect(resolved.string('config.storage.topic')).toBe('connect-configs');
    expect(resolved.int('offset.flush.interval.ms')).toBe(1000);
    expect(warnings).toEqual([]);
  });

  it('names every wrong key at once', () => {
    expect(() => parseWorkerConfig({ 'session.timeout.ms': 'x', 'offset.storage.partitions': '0' })).toThrow(
      /offset\.storage\.partitions[\s\S]*session\.timeout\.ms/,
    );
  });

  it('refuses security settings that cannot work, by key and without a secret', () => {
    const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule';
    const problem = (properties: Record<string, string>): string => {
      try {
        parseWorkerConfig(properties);
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    expect(problem({ 'producer.security.protocol': 'TLS' })).toMatch(
      /TLS for configuration security\.protocol.*\(producer\.security\.protocol\)/,
    );
    expect(problem({ 'security.protocol': 'SASL_SSL' })).toContain('sasl.mechanism');
    const broken = problem({
      'security.protocol': 'SASL_PLAINTEXT',
      'sasl.mechanism': 'PLAIN',
      'sasl.jaas.config': `${plain} required username="me" password="hunter2"`,
    });
    expect(broken).toContain('[hidden] for configuration sasl.jaas.config');
    expect(broken).not.toContain('hunter2');
    expect(problem({ 'security.protocol': 'SSL', 'ssl.truststore.location': '/nowhere' })).toContain(
      'ssl.truststore.location cannot be read',
    );
    expect(parseWorkerConfig({ 'security.protocol': 'plaintext' }).warnings).toEqual([]);
  });

  it("gives the clients of tasks the worker's own security, and what their prefix says over it", () => {
    const settings = clientSettings(
      {
        'security.protocol': 'SASL_SSL',
        'sasl.mechanism': 'PLAIN',
        'producer.sasl.mechanism': 'SCRAM-SHA-512',
      },
      'producer.',
    );
    expect(settings).toEqual({ 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'SCRAM-SHA-512' });
  });

  it('takes the old names of the REST address, with a warning', () => {
    const config = parseWorkerConfig({ 'rest.port': '9999', 'rest.host.name': 'h' });
    expect(config.warnings.join()).toContain('use listeners instead');
  });

  it('knows every key of Connect 4.3.1, if only to have no use for it', () => {
    const file = new URL('../../../../testdata/recorded/connect-worker-keys.txt', import.meta.url);
    const keys = readFileSync(fileURLToPath(file), 'utf8').trim().split('\n');
    expect(keys.length).toBeGreaterThan(100);
    // Values that every kind of key takes, as far as one does.
    const values: Record<string, string> = {
      'security.protocol': 'PLAINTEXT',
      'connect.protocol': 'eager',
      'exactly.once.source.support': 'disabled',
      'connector.client.config.override.policy': 'None',
    };
    for (const key of keys.filter(
      (name) => !name.startsWith('inter.worker.') && !/enable|allow\.reset/.test(name),
    )) {
      expect([key, parseWorkerConfig({ [key]: values[key] ?? '1' }).warnings]).toEqual([key, []]);
    }
  });

  it('takes the steps to exactly-once sources, and no others', () => {
    for (const support of ['disabled', 'preparing', 'enabled']) {
      const { resolved } = parseWorkerConfig({ 'exactly.once.source.support': support });
      expect(resolved.string('exactly.once.source.support')).toBe(support);
    }
    expect(() => parseWorkerConfig({ 'exactly.once.source.support': 'on' })).toThrow(
      'String must be one of: disabled, preparing, enabled',
    );
  });

  it('reads keys from the environment, MILLRACE_ before CONNECT_', () => {
    expect(
      configFromEnvironment({
        CONNECT_GROUP_ID: 'a',
        MILLRACE_GROUP_ID: 'b',
        CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE: 'false',
        MILLRACE_URL: 'http://x',
        OTHER: 'y',
      }),
    ).toEqual({ 'group.id': 'b', 'key.converter.schemas.enable': 'false' });
  });
});
