import { describe, expect, it } from 'vitest';
import { configFromEnvironment, parseWorkerConfig, restAddress } from './worker-config.ts';

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

  it('refuses to connect in the clear where the config asks for more', () => {
    expect(() => parseWorkerConfig({ 'producer.security.protocol': 'SASL_SSL' })).toThrow(
      /SASL_SSL for configuration producer\.security\.protocol/,
    );
    expect(parseWorkerConfig({ 'security.protocol': 'plaintext' }).warnings).toEqual([]);
  });

  it('takes the old names of the REST address, with a warning', () => {
    const config = parseWorkerConfig({ 'rest.port': '9999', 'rest.host.name': 'h' });
    expect(restAddress(config)).toEqual({ host: 'h', port: 9999 });
    expect(config.warnings.join()).toContain('use listeners instead');
  });

  it('listens everywhere where listeners names no host, as Connect does', () => {
    expect(restAddress(parseWorkerConfig({ listeners: 'http://:8083' }))).toEqual({
      host: '0.0.0.0',
      port: 8083,
    });
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
