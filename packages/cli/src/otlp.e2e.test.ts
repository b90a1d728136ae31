// Export of metrics to an OpenTelemetry collector, as the environment asks for it: a small receiver of OTLP over HTTP.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { freePort } from '@millrace/local-servers';
import { eventually, startMillrace } from '@millrace/testkit';
import { afterAll, expect, it } from 'vitest';
import { putConnector } from './testing/connectors.ts';
import { MetricsPage } from './testing/metrics-page.ts';
import { fileSource } from './testing/numbered-lines.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-otlp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Point {
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
  readonly timeUnixNano: string;
  readonly asDouble: number;
}
interface Exported {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: Point['attributes'] };
    readonly scopeMetrics: readonly {
      readonly metrics: readonly {
        readonly name: string;
        readonly gauge?: { readonly dataPoints: readonly Point[] };
        readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean };
      }[];
    }[];
  }[];
}

/** Takes exports; answers as it is told to. */
class Collector implements AsyncDisposable {
  readonly received: {
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: Exported;
  }[] = [];
  status = 200;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = JSON.parse(gunzipSync(Buffer.concat(chunks)).toString()) as Exported;
        this.received.push({ path: request.url ?? '', headers: request.headers, body });
        response.writeHead(this.status, { location: 'http://127.0.0.1:1/elsewhere' }).end('{}');
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  /** The points of a metric in the last export, by name. */
  points(name: string): readonly Point[] {
    const metrics = this.received.at(-1)?.body.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [];
    const metric = metrics.find((one) => one.name === name);
    return metric?.sum?.dataPoints ?? metric?.gauge?.dataPoints ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const labelsOf = ({ attributes }: Pick<Point, 'attributes'>): Record<string, string> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));

it('sends the series of /metrics, of worker, tasks and broker, as often as asked', {
  timeout: 60_000,
}, async () => {
  await using collector = new Collector();
  const endpoint = await collector.listen();
  await using millrace = await startMillrace({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=geheim%20123',
      OTEL_METRIC_EXPORT_INTERVAL: '250',
      OTEL_SERVICE_NAME: 'orders',
    },
  });
  const file = path.join(folder, 'in');
  writeFileSync(file, 'a\nb\nc\n');
  await putConnector(millrace, 'source', fileSource(file, 'lines'));
  const name = 'kafka_connect_source_task_source_record_write_total';
  await eventually('the records are counted at the collector', () =>
    Promise.resolve(collector.points(name)[0]?.asDouble === 3),
  );
  const last = collector.received.at(-1);
  expect(last?.path).toBe('/v1/metrics');
  expect(last?.headers).toMatchObject({ 'api-key': 'geheim 123', 'content-type': 'application/json' });
  expect(labelsOf(last?.body.resourceMetrics[0]?.resource ?? { attributes: [] })).toMatchObject({
    'service.name': 'orders',
    'service.instance.id': millrace.rest.replace('http://', ''),
  });
  expect(labelsOf(collector.points(name)[0] ?? { attributes: [] })).toEqual({
    connector: 'source',
    task: '0',
  });
  const page = await MetricsPage.of(millrace);
  const names = new Set(page.series.map((series) => series.name));
  expect(names).toContain('kafka_log_log_logendoffset');
  const before = collector.received.length;
  await eventually('the next export', () => Promise.resolve(collector.received.length > before));
  for (const one of names) expect(collector.points(one).length, one).toBeGreaterThan(0);

  // A collector that sends them away is told of once, and gets nothing more than before.
  collector.status = 307;
  await eventually('the refusal is told', () =>
    Promise.resolve(millrace.logs.includes('metrics cannot be exported')),
  );
  collector.status = 200;
  await eventually('it goes on', () => Promise.resolve(millrace.logs.includes('metrics are exported again')));
  const count = collector.received.length;
  await millrace.end('SIGTERM');
  expect(collector.received.length).toBeGreaterThan(count);
  expect(millrace.logs).not.toContain('geheim');
});

it('INV-6 INV-11: a worker does not mind a collector that is not there, nor tells what it would have sent', {
  timeout: 60_000,
}, async () => {
  const port = await freePort();
  await using millrace = await startMillrace({
    env: {
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `http://user:geheim@127.0.0.1:${port}/v1/metrics?key=geheim`,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic geheim',
      OTEL_METRIC_EXPORT_INTERVAL: '100',
    },
  });
  const file = path.join(folder, 'alone');
  writeFileSync(file, 'a\n');
  await putConnector(millrace, 'source', fileSource(file, 'alone'));
  await eventually(
    'it is ready',
    async () => (await millrace.request('GET', '/health/ready')).status === 200,
  );
  const told = (): number => millrace.logs.split('metrics cannot be exported').length - 1;
  await eventually('the failure is told', () => Promise.resolve(told() > 0));
  await eventually('records flow', async () => {
    const page = await MetricsPage.of(millrace);
    return page.value('kafka_connect_source_task_source_record_write_total', { connector: 'source' }) === 1;
  });
  expect(told()).toBe(1);
  expect(millrace.logs).toContain('ECONNREFUSED');
  expect(millrace.logs).not.toContain('geheim');
});
