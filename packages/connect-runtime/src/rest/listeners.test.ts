import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemClock } from '@millrace/foundation';
import { afterEach, describe, expect, it } from 'vitest';
import { restConfig } from '../config/rest-config.ts';
import { parseWorkerConfig } from '../config/worker-config.ts';
import { RestService } from './service.ts';
import { workerClient } from './worker-client.ts';

const certificate = (name: string): string =>
  fileURLToPath(new URL(`../../../../testdata/certificates/${name}`, import.meta.url));
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function serviceOf(properties: Record<string, string>): Promise<RestService> {
  const parts = { logger: silentLogger, clock: systemClock };
  const service = new RestService(restConfig(parseWorkerConfig(properties)), parts);
  opened.push(service);
  await service.listen();
  return service;
}
const SERVER = { 'listeners.https.ssl.keystore.location': certificate('server.pem') };
const get = { method: 'GET', signal: AbortSignal.timeout(10_000) };

describe('a worker that is asked before it can answer', () => {
  it('says so, and is advertised with the port that it was given', async () => {
    const service = await serviceOf({ listeners: 'http://127.0.0.1:0' });
    expect(service.workerId).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
    const answer = await service.ask(new URL('/connectors', service.url), get);
    expect(answer).toEqual({
      status: 503,
      location: undefined,
      text: '{"error_code":503,"message":"Worker is still starting up."}',
    });
  });

  it('INV-6: a request that hangs holds up no other one, and ends with 500', async () => {
    const service = await serviceOf({ listeners: 'http://127.0.0.1:0' });
    let release: () => void = () => undefined;
    const serve = await service.prepare({
      main: [
        {
          method: 'GET',
          path: '/hangs',
          handle: () => new Promise((resolve) => (release = () => resolve({ status: 204 }))),
        },
        { method: 'GET', path: '/answers', handle: () => ({ status: 204 }) },
      ],
      admin: [],
      gone: () => new AbortController().signal,
    });
    serve();
    const hanging = service.ask(new URL('/hangs', service.url), get);
    for (let i = 0; i < 20; i++) {
      expect((await service.ask(new URL('/answers', service.url), get)).status).toBe(204);
    }
    release();
    expect((await hanging).status).toBe(204);
  });

  it('names the key and the address that are taken', async () => {
    const first = await serviceOf({ listeners: 'http://127.0.0.1:0' });
    await expect(serviceOf({ listeners: first.url })).rejects.toMatchObject({
      configKey: 'listeners',
      message: expect.stringContaining(first.url) as string,
    });
  });

  it('is advertised as the config says, an IPv6 address in brackets', async () => {
    const service = await serviceOf({ listeners: 'http://[::1]:0', 'rest.advertised.port': '7' });
    expect(service.workerId).toBe('[::1]:7');
    const other = await serviceOf({
      listeners: 'http://127.0.0.1:0,https://127.0.0.1:0',
      'rest.advertised.listener': 'https',
      'rest.advertised.host.name': 'worker.example',
      ...SERVER,
    });
    expect(other.advertisedUrl).toMatch(/^https:\/\/worker\.example:\d+$/);
    expect(other.advertisedUrl.endsWith(`:${other.first.port}`)).toBe(false);
  });
});

describe('workers that speak HTTPS to each other', () => {
  it('trust the store of their listeners, and nobody without it', async () => {
    const service = await serviceOf({
      listeners: 'https://localhost:0',
      ...SERVER,
      'listeners.https.ssl.truststore.location': certificate('ca.pem'),
    });
    const url = new URL('/', service.url);
    expect((await service.ask(url, get)).status).toBe(503);
    await expect(workerClient(null)(url, get)).rejects.toThrow(/certificate/);
  });

  it('check the host that the certificate is for, unless they are told not to', async () => {
    const store = { 'listeners.https.ssl.truststore.location': certificate('ca.pem') };
    const elsewhere = { 'listeners.https.ssl.keystore.location': certificate('elsewhere.pem') };
    const checks = await serviceOf({ listeners: 'https://localhost:0', ...elsewhere, ...store });
    await expect(checks.ask(new URL(checks.url), get)).rejects.toThrow(/does not match|altnames/i);
    const trusts = await serviceOf({
      listeners: 'https://localhost:0',
      ...elsewhere,
      ...store,
      'listeners.https.ssl.endpoint.identification.algorithm': '',
    });
    expect((await trusts.ask(new URL(trusts.url), get)).status).toBe(503);
  });

  it('let in whom ssl.client.auth=required asks for', async () => {
    const service = await serviceOf({
      listeners: 'https://localhost:0',
      ...SERVER,
      'listeners.https.ssl.truststore.location': certificate('ca.pem'),
      'listeners.https.ssl.client.auth': 'required',
      'listeners.https.ssl.enabled.protocols': 'TLSv1.2',
      'listeners.https.ssl.cipher.suites':
        'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    });
    const url = new URL('/', service.url);
    // Workers show the certificate of their own listeners.
    expect((await service.ask(url, get)).status).toBe(503);
    const stranger = workerClient({ context: { ca: readFileSync(certificate('ca.pem')) }, checkHost: true });
    await expect(stranger(url, get)).rejects.toThrow();
  });
});
