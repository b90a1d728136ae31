// A broker in a process of its own, from dist, to be killed.
import { type ChildProcess, spawn } from 'node:child_process';

const INDEX = new URL('../../dist/index.js', import.meta.url).href;

export interface BrokerProcess {
  readonly child: ChildProcess;
  readonly port: number;
}

/** Runs a broker from dist in a process of its own; resolves with its port. */
export function startBrokerProcess(
  dataDirectory: string,
  properties: Readonly<Record<string, string>> = { 'log.segment.bytes': '1048576' },
): Promise<BrokerProcess> {
  const options = JSON.stringify({
    dataDirectory,
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'millrace.disk.reserve.bytes': '1048576', ...properties },
  });
  const script = `
    import { startBroker } from ${JSON.stringify(INDEX)};
    const broker = await startBroker(${options});
    process.stdout.write(String(broker.port) + '\\n');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the broker ended with ${code} before it was ready`)));
    child.stdout?.once('data', (text: Buffer) => resolve({ child, port: Number(text) }));
  });
}

/** SIGKILL; resolves when the process is gone. */
export function killBroker(broker: BrokerProcess): Promise<void> {
  return new Promise((resolve) => {
    broker.child.once('exit', () => resolve());
    broker.child.kill('SIGKILL');
  });
}
