// `/metrics` of a broker that runs alone; in `millrace start` the REST server has it.
import { createServer } from 'node:http';
import { MillraceError, messageOf } from '@millrace/foundation';
import type { HostPort } from './addresses.ts';

export interface MetricsPage extends HostPort {
  close(): Promise<void>;
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Serves `GET /metrics`; port 0 takes a free one. @throws config.invalid when it cannot listen there */
export async function serveMetrics(address: HostPort, render: () => Promise<string>): Promise<MetricsPage> {
  const server = createServer((request, response) => {
    const end = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const path = (request.url ?? '').split('?')[0];
    if (path !== '/metrics') end(404, 'There is only /metrics here.\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') end(405, 'Only GET.\n');
    else
      render().then(
        (text) => end(200, text, CONTENT_TYPE),
        (error: unknown) => end(500, `${messageOf(error)}\n`),
      );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  }).catch((error: unknown) => {
    throw new MillraceError(
      'config.invalid',
      `--metrics cannot listen on ${address.host}:${address.port}: ${messageOf(error)}`,
      {
        configKey: '--metrics',
        hint: 'Choose a free port of this machine.',
        cause: error,
      },
    );
  });
  const bound = server.address();
  return {
    host: address.host,
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
