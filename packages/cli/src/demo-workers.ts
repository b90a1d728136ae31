// More workers for the demo: processes of their own that join the group of the first one on its broker.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatHostPort, type HostPort } from './addresses.ts';
import { CliError } from './client/cli-error.ts';

const BIN = fileURLToPath(new URL('../bin/millrace.js', import.meta.url));
const READY_WITHIN_MS = 30_000;

export interface MoreWorkers extends AsyncDisposable {
  /** Where each answers REST, `http://HOST:PORT`. */
  readonly addresses: readonly string[];
}

/** Where the workers after the first listen: the ports after its own. */
export function moreAddresses(first: HostPort, count: number): HostPort[] {
  return Array.from({ length: count }, (_, i) => ({ host: first.host, port: first.port + i + 1 }));
}

/** Starts a worker at each address; their data and logs are below `folder`. */
export async function startMoreWorkers(
  kafka: string,
  addresses: readonly HostPort[],
  folder: string,
): Promise<MoreWorkers> {
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.map(ended));
  };
  try {
    for (const [i, address] of addresses.entries()) {
      children.push(start(kafka, address, path.join(folder, `worker-${i + 2}`)));
    }
    await Promise.all(children.map(ready));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses: addresses.map((address) => `http://${formatHostPort(address)}`),
    [Symbol.asyncDispose]: close,
  };
}

function start(kafka: string, address: HostPort, folder: string): ChildProcess {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'worker.properties');
  writeFileSync(file, `bootstrap.servers=${kafka}\n`);
  return spawn(
    process.execPath,
    [
      BIN,
      'start',
      file,
      '--data',
      path.join(folder, 'data'),
      '--rest',
      formatHostPort(address),
      '--end-with-parent',
    ],
    // The channel closes when this process ends, however it does.
    { stdio: ['ignore', 'pipe', openSync(path.join(folder, 'millrace.log'), 'a'), 'ipc'] },
  );
}

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new CliError('A worker of the demo did not start', why, 'Read millrace.log in its folder.', 1));
    const timer = setTimeout(() => fail('it was not ready in time'), READY_WITHIN_MS);
    child.once('exit', (code) => fail(`it ended with code ${code}`));
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!chunk.toString().includes('ready ')) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}
