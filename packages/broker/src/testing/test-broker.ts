// A broker for tests of clients: on a free port, in a folder that is removed afterwards.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerHandle, startBroker } from '../broker.ts';

export interface TestBroker extends AsyncDisposable {
  readonly handle: BrokerHandle;
  readonly dataDirectory: string;
  /** HOST:PORT. */
  readonly address: string;
}

/** Starts a broker with these keys of a server.properties. */
export async function startTestBroker(properties: Record<string, string> = {}): Promise<TestBroker> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  const handle = await startBroker({
    dataDirectory,
    listen: { host: '127.0.0.1', port: 0 },
    properties: {
      'group.initial.rebalance.delay.ms': '0',
      'millrace.disk.reserve.bytes': '1048576',
      ...properties,
    },
  });
  return {
    handle,
    dataDirectory,
    address: `127.0.0.1:${handle.port}`,
    [Symbol.asyncDispose]: async () => {
      await handle.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
