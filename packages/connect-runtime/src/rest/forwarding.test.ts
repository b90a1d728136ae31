import { silentLogger, systemClock } from '@millrace/foundation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectError } from '../errors.ts';
import type { RestRequest, Route } from './http.ts';
import { RestListeners } from './listeners.ts';
import { createRestApp } from './server.ts';
import { workerClient } from './worker-client.ts';

const servers: AsyncDisposable[] = [];
let seen: RestRequest[];
/** Of whoever is asked. */
let gone: AbortController;
beforeEach(() => {
  gone = new AbortController();
  seen = [];
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function serve(handle: Route['handle'], onClose = (): void => undefined): Promise<string> {
  const listeners = await RestListeners.open(
    'listeners',
    [{ protocol: 'http', host: '127.0.0.1', port: 0 }],
    null,
    silentLogger,
  );
  const app = await createRestApp({
    routes: [{ method: 'PUT', path: '/connectors/:connector/config', handle }],
    logger: silentLogger,
    clock: systemClock,
    ask: workerClient(null),
    gone: () => gone.signal,
    requestTimeoutMs: 2000,
  });
  listeners.serve((request, response) => {
    response.once('close', onClose);
    app.answer(request, response);
  });
  servers.push(listeners, app);
  return `http://127.0.0.1:${listeners.bound[0]?.port}`;
}
const elsewhere = (url: string) => (): never => {
  throw connectError('connect.elsewhere', 'Only the leader can set connector configs.', { context: { url } });
};

async function put(
  url: string,
  headers: Record<string, string> = {},
): Promise<[number, unknown, string | null]> {
  const response = await fetch(url, {
    method: 'PUT',
    body: '{"a":"ü"}',
    headers: { 'content-type': 'application/json', ...headers },
  });
  return [response.status, await response.json(), response.headers.get('location')];
}

describe('a request that another worker has to carry out', () => {
  it('is sent there as it came, and its answer comes back', async () => {
    const leader = await serve((request) => {
      seen.push(request);
      return { status: 201, body: { done: true }, headers: { location: `${request.base}/connectors/a%2Fb` } };
    });
    const asked = await serve(elsewhere(`${leader}/`));
    const answer = await put(`${asked}/connectors/a%2Fb/config?x=1`, { authorization: 'Basic eDp5' });
    expect(answer).toEqual([201, { done: true }, `${asked}/connectors/a%2Fb`]);
    expect(seen[0]).toEqual(expect.objectContaining({ params: { connector: 'a/b' }, body: '{"a":"ü"}' }));
    expect(seen[0]?.query.toString()).toBe('x=1&forward=true');
    expect(seen[0]?.headers['authorization']).toBe('Basic eDp5');
  });

  it('is passed on twice and no more', async () => {
    const first = await serve(() => elsewhere(second)());
    const second: string = await serve(() => elsewhere(first)());
    const [status, body] = await put(`${first}/connectors/a/config`);
    expect([status, (body as { message: string }).message]).toEqual([
      409,
      'Cannot complete request because of a conflicting operation (e.g. worker rebalance)',
    ]);
  });

  it('brings back the refusal of the worker that it was meant for', async () => {
    const leader = await serve(() => {
      throw connectError('connect.conflict', 'Connector a already exists');
    });
    const asked = await serve(elsewhere(leader));
    expect(await put(`${asked}/connectors/a/config`)).toEqual([
      409,
      { error_code: 409, message: 'Connector a already exists' },
      null,
    ]);
  });

  it('is a conflict while nobody is known to lead, and an error when the leader cannot be reached', async () => {
    const nobody = await serve(elsewhere(''));
    expect((await put(`${nobody}/connectors/a/config`)).slice(0, 2)).toEqual([
      409,
      {
        error_code: 409,
        message:
          'Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.',
      },
    ]);
    const nowhere = await serve(elsewhere('http://127.0.0.1:1/'));
    const [status, body] = await put(`${nowhere}/connectors/a/config`);
    expect([status, (body as { message: string }).message]).toEqual([
      500,
      expect.stringMatching(/^IO Error trying to forward REST request: /),
    ]);
  });

  it('is not passed on any more when nobody waits for its answer', async () => {
    const leader = await serve((request) => {
      seen.push(request);
      return { status: 201, body: {} };
    });
    const client = new AbortController();
    let closed: () => void = () => undefined;
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    let refused: () => void = () => undefined;
    const isRefused = new Promise<void>((resolve) => {
      refused = resolve;
    });
    const asked = await serve(async () => {
      client.abort();
      await isClosed;
      setImmediate(refused);
      return elsewhere(leader)();
    }, closed);
    await expect(
      fetch(asked + '/connectors/a/config', { method: 'PUT', signal: client.signal }),
    ).rejects.toThrow();
    await isRefused;
    await put(`${leader}/connectors/b/config`);
    expect(seen.map(({ params }) => params['connector'])).toEqual(['b']);
  });

  it('is a conflict as soon as the group goes on without the worker that was asked', async () => {
    const silent = await serve(() => {
      gone.abort();
      return new Promise(() => undefined);
    });
    const asked = await serve(elsewhere(silent));
    expect((await put(`${asked}/connectors/a/config`)).slice(0, 2)).toEqual([
      409,
      {
        error_code: 409,
        message: 'Cannot complete request because of a conflicting operation (e.g. worker rebalance)',
      },
    ]);
  });
});
