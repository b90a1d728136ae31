// `millrace broker` as a process of its own, ready to serve: what client commands and programs of others are held against.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-servers';
import { childEnvironment } from '@millrace/testkit';

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../bin/millrace.js');
const READY_WITHIN_MS = 30_000;

export interface BrokerProcess extends AsyncDisposable {
  /** `HOST:PORT`. */
  readonly kafka: string;
  /** A temporary folder, removed with the broker. */
  readonly folder: string;
  /** The addresses of its ready line by name. */
  readonly ready: Readonly<Record<string, string>>;
  /** What it logged. */
  readonly logs: () => string;
  /** Ends it in order and starts it on the same folder and port. */
  restart(): Promise<void>;
  /** SIGKILL, and a start on the same folder and port. */
  kill(): Promise<void>;
}

/** Starts it on a free port with these keys of a server.properties. */
export async function startBrokerProcess(
  properties: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<BrokerProcess> {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-broker-'));
  const kafka = `127.0.0.1:${await freePort()}`;
  const file = path.join(folder, 'server.properties');
  const lines = Object.entries({ 'millrace.disk.reserve.bytes': '1048576', ...properties });
  writeFileSync(file, lines.map(([key, value]) => `${key}=${value}\n`).join(''));
  let logs = '';
  let ready: Record<string, string> = {};
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      process.execPath,
      [bin, 'broker', file, '--data', path.join(folder, 'data'), '--kafka', kafka, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment() },
    );
    child.stderr.on('data', (chunk: Buffer) => {
      logs = (logs + chunk.toString()).slice(-1_000_000);
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the broker was not ready in time\n${logs}`)),
        READY_WITHIN_MS,
      );
      child.once('exit', (code) => reject(new Error(`the broker ended with code ${code}\n${logs}`)));
      child.stdout.on('data', (chunk: Buffer) => {
        const line = chunk.toString();
        if (!line.startsWith('ready ')) return;
        ready = Object.fromEntries(
          line
            .trim()
            .split(' ')
            .slice(1)
            .map((part) => part.split('=') as [string, string]),
        );
        clearTimeout(timer);
        resolve();
      });
    });
    return child;
  };
  let child = await start();
  const end = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    kafka,
    folder,
    ready,
    logs: () => logs,
    restart: async () => {
      await end();
      child = await start();
    },
    kill: async () => {
      await end('SIGKILL');
      child = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
