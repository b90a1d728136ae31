import { describe, expect, test } from 'vitest';
import { type ExportSettings, exportSettings } from './settings.ts';

function read(env: Record<string, string>): { settings: ExportSettings | null; warnings: string[] } {
  const warnings: string[] = [];
  return { settings: exportSettings(env, (message) => warnings.push(message)), warnings };
}

describe('whether metrics are exported', () => {
  test.each([
    ['nothing is set', {}, false],
    ['only a name is set', { OTEL_SERVICE_NAME: 'x' }, false],
    ['an endpoint is set', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, true],
    ['an endpoint of metrics is set', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:4318/m' }, true],
    ['the exporter is otlp', { OTEL_METRICS_EXPORTER: 'otlp' }, true],
    [
      'the exporter is none',
      { OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c' },
      false,
    ],
    ['the SDK is disabled', { OTEL_SDK_DISABLED: 'true', OTEL_METRICS_EXPORTER: 'otlp' }, false],
  ])('%s', (_case, env: Record<string, string>, exported) => {
    const { settings, warnings } = read(env);
    expect(settings !== null).toBe(exported);
    expect(warnings).toEqual([]);
  });
});

test('defaults are those of the specification', () => {
  const { settings } = read({ OTEL_METRICS_EXPORTER: 'otlp' });
  expect(settings).toEqual({
    endpoint: new URL('http://localhost:4318/v1/metrics'),
    protocol: 'http/protobuf',
    headers: {},
    compress: false,
    intervalMs: 60_000,
    timeoutMs: 10_000,
    resource: { 'service.name': 'millrace' },
  });
});

test('variables of metrics go before the general ones, and values are decoded', () => {
  const { settings, warnings } = read({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example/base/',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'Authorization=Bearer%20se%3Dcret, x-two=2',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
    OTEL_METRIC_EXPORT_INTERVAL: '15000',
    OTEL_SERVICE_NAME: 'orders',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=prod,service.name=other',
  });
  expect(warnings).toEqual([]);
  expect(settings).toEqual({
    endpoint: new URL('https://collector.example/base/v1/metrics'),
    protocol: 'http/json',
    headers: { authorization: 'Bearer se=cret', 'x-two': '2' },
    compress: true,
    intervalMs: 15_000,
    timeoutMs: 5000,
    resource: { 'service.name': 'orders', 'deployment.environment': 'prod' },
  });
});

test('INV-11: wrong values are named and left out, secrets among them unnamed', () => {
  const { settings, warnings } = read({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
    OTEL_EXPORTER_OTLP_HEADERS: 'good=1,geheim,bad name=geheim,line=ge%0Aheim,percent=%geheim',
    OTEL_METRIC_EXPORT_INTERVAL: 'often',
    OTEL_EXPORTER_OTLP_TIMEOUT: '-1',
  });
  expect(settings).toMatchObject({
    protocol: 'http/protobuf',
    compress: false,
    headers: { good: '1' },
    intervalMs: 60_000,
    timeoutMs: 10_000,
  });
  expect(warnings).toHaveLength(8);
  expect(warnings.join()).not.toContain('geheim');
});

test('a login in the endpoint becomes a header', () => {
  const { settings } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:p%40ss@c.example' });
  expect(settings?.endpoint.href).toBe('https://c.example/v1/metrics');
  expect(settings?.headers).toEqual({
    authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
  });
});

test('INV-6: an endpoint that is no URL exports nothing', () => {
  for (const endpoint of ['localhost:4318', 'not a url', 'ftp://c/']) {
    const { settings, warnings } = read({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    expect(settings).toBe(null);
    expect(warnings).toHaveLength(1);
  }
});
