// `/`, health and metrics.
import type { Metrics } from '@millrace/foundation';
import type { Herder } from '../herder/herder-api.ts';
import { ok, type Route } from './http.ts';

const HEALTH_STATUS = { healthy: 200, starting: 503, unhealthy: 500 } as const;

export function rootRoutes(herder: Herder, renderMetrics: () => Promise<string>, metrics: Metrics): Route[] {
  return [
    { method: 'GET', path: '/', handle: async () => ok(await herder.serverInfo()) },
    {
      method: 'GET',
      path: '/health',
      briefWithoutLogin: true,
      handle: async () => {
        const health = await herder.health();
        return { status: HEALTH_STATUS[health.status], body: health };
      },
    },
    {
      method: 'GET',
      path: '/health/ready',
      briefWithoutLogin: true,
      handle: () => {
        const { ready, problems } = herder.readiness();
        return { status: ready ? 200 : 503, body: { status: ready ? 'ready' : 'not ready', problems } };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      ownFormat: true,
      handle: async () => ({
        status: 200,
        text: { type: metrics.contentType, content: await renderMetrics() },
      }),
    },
  ];
}
