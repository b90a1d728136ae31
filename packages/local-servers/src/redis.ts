// A Redis: `redis-server` from the PATH on a port of its own, or installed by the system's package manager when we
// may, or one that is running already.
import { type ChildProcess, execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { startChild, stopChild } from './child.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

/** What there is to use: a binary to start, a running server, or nothing and why. */
export type RedisSource =
  | { readonly kind: 'binary'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * Looks for `redis-server` on the PATH, then installs it when root on Debian or Ubuntu (`install: true`), then takes
 * REDIS_URL. `say` is told before anything is installed.
 */
export async function findRedis(options: {
  install: boolean;
  say?: (line: string) => void;
}): Promise<RedisSource> {
  const found = onPath('redis-server');
  if (found) return { kind: 'binary', path: found };
  const url = process.env['REDIS_URL'];
  if (options.install && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    options.say?.('Installing redis-server with apt-get ...');
    try {
      await run('apt-get', ['update', '-q'], { timeout: 120_000 });
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
      await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'redis-server'], {
        timeout: 300_000,
        env,
      });
    } catch (error) {
      options.say?.(
        `Installing redis-server failed: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
      );
    }
    const installed = onPath('redis-server');
    if (installed) return { kind: 'binary', path: installed };
  }
  if (url) return { kind: 'url', url };
  return {
    kind: 'none',
    reason: 'no redis-server on the PATH, none could be installed, and REDIS_URL is not set',
  };
}

function onPath(command: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/bin', '/usr/local/bin'];
  return folders.map((folder) => path.join(folder, command)).find((file) => isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface RedisOptions {
  /** The binary; default `redis-server` on the PATH. */
  readonly binary?: string;
  readonly port?: number;
  /** Keeps an append-only file there; absent = nothing is persisted. */
  readonly dataDir?: string;
}

/** A running Redis on 127.0.0.1. Without a data folder a restart comes back empty. */
export class RedisServer implements AsyncDisposable {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #binary: string;
  readonly #folder: string;
  readonly #persistent: boolean;
  #child: ChildProcess | undefined;

  constructor(binary: string, port: number, folder: string, persistent: boolean) {
    this.#binary = binary;
    this.port = port;
    this.#folder = folder;
    this.#persistent = persistent;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const persistence = this.#persistent
      ? ['--appendonly', 'yes', '--appendfsync', 'everysec']
      : ['--appendonly', 'no'];
    this.#child = await startChild({
      name: 'Redis',
      command: this.#binary,
      args: [
        '--port',
        String(this.port),
        '--bind',
        this.host,
        '--dir',
        this.#folder,
        '--save',
        '',
        ...persistence,
      ],
      logFile: path.join(this.#folder, 'redis.log'),
      ready: () => answersPing(this.port),
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child) await stopChild(this.#child, signal);
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    if (!this.#persistent) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @throws local.start_failed */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-redis-'));
  mkdirSync(folder, { recursive: true });
  const binary = options.binary ?? onPath('redis-server') ?? 'redis-server';
  const server = new RedisServer(
    binary,
    options.port ?? (await freePort()),
    folder,
    options.dataDir !== undefined,
  );
  await server.start();
  return server;
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      resolve(data.toString().startsWith('+PONG'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
  });
}
