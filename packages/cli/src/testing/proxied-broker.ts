// The bundled broker as a process of its own, with listeners behind proxies that hold requests back or break, and one
// without.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '@millrace/local-servers';
import { eventually, runMillrace, TcpProxy } from '@millrace/testkit';
import { KafkaProxy } from './kafka-proxy.ts';
import { readTopic } from './topic-reader.ts';

interface Listener {
  readonly name: string;
  /** Where it listens, and where clients are told that it does. */
  readonly port: number;
  readonly advertised: number;
}

export interface ProxiedBroker extends AsyncDisposable {
  readonly proxy: KafkaProxy;
  /** `HOST:PORT` through the proxy; clients have to wait for the broker themselves. */
  readonly proxied: string;
  /** `HOST:PORT` without it. */
  readonly direct: string;
}

/** Starts it on a folder; `clientIds` says whose requests the proxy looks at. */
export async function startProxiedBroker(folder: string, clientIds: RegExp): Promise<ProxiedBroker> {
  const proxy = await KafkaProxy.start(clientIds);
  const direct = await freePort();
  const hidden = await freePort();
  proxy.forwardTo(hidden);
  const broker = runBroker(folder, [
    { name: 'DIRECT', port: direct, advertised: direct },
    { name: 'PROXIED', port: hidden, advertised: proxy.port },
  ]);
  return {
    proxy,
    proxied: `127.0.0.1:${proxy.port}`,
    direct: `127.0.0.1:${direct}`,
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

export interface BrokerBehindProxies extends AsyncDisposable {
  /** Each in front of a listener of its own, at `127.0.0.1:PORT`. */
  readonly proxies: readonly TcpProxy[];
  /** `HOST:PORT` without any. */
  readonly direct: string;
}

/** Starts it on a folder, to be reached by so many ways, each of which can break; resolves when it answers. */
export async function startBrokerBehindProxies(folder: string, count: number): Promise<BrokerBehindProxies> {
  const direct = await freePort();
  const listeners: Listener[] = [{ name: 'DIRECT', port: direct, advertised: direct }];
  const proxies: TcpProxy[] = [];
  for (let i = 0; i < count; i++) {
    const port = await freePort();
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port });
    proxies.push(proxy);
    listeners.push({ name: `WAY${i}`, port, advertised: proxy.port });
  }
  const broker = runBroker(folder, listeners);
  await eventually(
    'the broker answers',
    async () => (await readTopic(`127.0.0.1:${direct}`, 'none').catch(() => null)) !== null,
  );
  return {
    proxies,
    direct: `127.0.0.1:${direct}`,
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}

function runBroker(folder: string, listeners: readonly Listener[]): AsyncDisposable {
  const list = (of: (listener: Listener) => string): string => listeners.map(of).join(',');
  const properties = path.join(folder, 'server.properties');
  writeFileSync(
    properties,
    `listeners=${list(({ name, port }) => `${name}://127.0.0.1:${port}`)}
advertised.listeners=${list(({ name, advertised }) => `${name}://127.0.0.1:${advertised}`)}
listener.security.protocol.map=${list(({ name }) => `${name}:PLAINTEXT`)}
`,
  );
  const ending: (() => void)[] = [];
  const ended = runMillrace(['broker', properties, '--data', path.join(folder, 'broker')], {
    timeoutMs: 3_600_000,
    onStart: (child) => ending.push(() => void child.kill('SIGKILL')),
  });
  return {
    async [Symbol.asyncDispose]() {
      for (const end of ending) end();
      await ended;
    },
  };
}
