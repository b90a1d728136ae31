// The bundled broker as a process of its own, with a listener behind a proxy that holds requests back and one without.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '@millrace/local-servers';
import { runMillrace } from '@millrace/testkit';
import { KafkaProxy } from './kafka-proxy.ts';

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
  const direct = `127.0.0.1:${await freePort()}`;
  const hidden = await freePort();
  proxy.forwardTo(hidden);
  const proxied = `127.0.0.1:${proxy.port}`;
  const properties = path.join(folder, 'server.properties');
  writeFileSync(
    properties,
    `listeners=DIRECT://${direct},PROXIED://127.0.0.1:${hidden}
advertised.listeners=DIRECT://${direct},PROXIED://${proxied}
listener.security.protocol.map=DIRECT:PLAINTEXT,PROXIED:PLAINTEXT
`,
  );
  const ending: (() => void)[] = [];
  const ended = runMillrace(['broker', properties, '--data', path.join(folder, 'broker')], {
    timeoutMs: 180_000,
    onStart: (child) => ending.push(() => void child.kill('SIGKILL')),
  });
  return {
    proxy,
    proxied,
    direct,
    async [Symbol.asyncDispose]() {
      for (const end of ending) end();
      await ended;
      await proxy[Symbol.asyncDispose]();
    },
  };
}
