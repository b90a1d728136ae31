// A broker for tests of clients: on a free port, in a folder that is removed afterwards.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerHandle, type BrokerParts, startBroker } from '../broker.ts';

export interface TestBroker extends AsyncDisposable {
  readonly handle: BrokerHandle;
  readonly dataDirectory: string;
  /** HOST:PORT of the first listener. */
  readonly address: string;
  /** The port of a listener. */
  port(listener: string): number;
}

/** Starts a broker with these keys of a server.properties; on one plain listener, unless they name others. */
export async function startTestBroker(
  properties: Record<string, string> = {},
  parts: BrokerParts = {},
): Promise<TestBroker> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  const handle = await startBroker({
    dataDirectory,
    ...parts,
    ...(properties['listeners'] === undefined ? { listen: { host: '127.0.0.1', port: 0 } } : {}),
    properties: {
      'group.initial.rebalance.delay.ms': '0',
      'millrace.disk.reserve.bytes': '1048576',
      ...properties,
    },
  }).catch(async (error: unknown) => {
    await rm(dataDirectory, { recursive: true, force: true });
    throw error;
  });
  return {
    handle,
    dataDirectory,
    address: `127.0.0.1:${handle.port}`,
    port: (listener) => handle.listeners.find(({ name }) => name === listener)?.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await handle.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
