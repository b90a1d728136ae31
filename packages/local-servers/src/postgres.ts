// A Postgres of our own, on a data folder and port of its own, with wal_level=logical. Started as root it runs as an
// unprivileged user, as Postgres demands.
import { type ChildProcess, execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { MillraceError } from '@millrace/foundation';
import { startChild, stopChild } from './child.ts';
import { freePort } from './ports.ts';
import { installedPostgres } from './postgres-binaries.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** A folder to keep; absent = a temporary one that `stop` deletes. */
  readonly dataDir?: string;
  readonly port?: number;
  /** Server settings beyond those that logical decoding needs. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Off is faster and loses data when the machine stops: for tests only. Default true. */
  readonly fsync?: boolean;
  /** A folder with `postgres` and `initdb`; default PG_BIN, then the npm package where it is installed. */
  readonly binDir?: string;
}

export type PostgresStop = 'smart' | 'fast' | 'immediate';
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** A running Postgres on 127.0.0.1, superuser `postgres` with password `postgres`. */
export class PostgresServer implements AsyncDisposable {
  readonly host = '127.0.0.1';
  readonly user = 'postgres';
  readonly password = 'postgres';
  readonly port: number;
  readonly dataDir: string;
  readonly #binDir: string;
  readonly #options: PostgresOptions;
  readonly #identity: Identity;
  #child: ChildProcess | undefined;

  constructor(binDir: string, dataDir: string, port: number, identity: Identity, options: PostgresOptions) {
    this.#binDir = binDir;
    this.dataDir = dataDir;
    this.port = port;
    this.#identity = identity;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  url(database = 'postgres'): string {
    return `postgres://${this.user}:${this.password}@${this.host}:${this.port}/${encodeURIComponent(database)}`;
  }

  /** Starts the server on its folder and port; also after `stop`. */
  async start(): Promise<void> {
    const settings = {
      listen_addresses: this.host,
      unix_socket_directories: '',
      wal_level: 'logical',
      max_replication_slots: '50',
      max_wal_senders: '50',
      max_connections: '200',
      timezone: 'UTC',
      fsync: this.#options.fsync === false ? 'off' : 'on',
      ...this.#options.settings,
    };
    const pidFile = path.join(this.dataDir, 'postmaster.pid');
    rmSync(pidFile, { force: true });
    this.#child = await startChild({
      name: 'Postgres',
      command: path.join(this.#binDir, 'postgres'),
      args: [
        '-D',
        this.dataDir,
        '-p',
        String(this.port),
        ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
      ],
      logFile: path.join(this.dataDir, 'server.log'),
      ...this.#identity,
      // The last line of the pid file says `ready` once connections are accepted.
      ready: () => existsSync(pidFile) && /\nready\s*$/.test(readFileSync(pidFile, 'utf8')),
    });
  }

  /** `smart` waits for clients, `fast` disconnects them, `immediate` is a crash. */
  async stop(mode: PostgresStop = 'fast'): Promise<void> {
    if (this.#child) await stopChild(this.#child, STOP_SIGNALS[mode]);
    this.#child = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('immediate');
    // Processes of a server that had to be killed may write for a moment yet.
    if (this.#options.dataDir === undefined)
      rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 10 });
  }
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Creates the data folder where needed and starts the server. @throws local.no_binaries, local.start_failed */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const identity = await unprivilegedIdentity();
  const binDir = reachableBinaries(options.binDir ?? installedPostgres(), identity);
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-pg-'));
  mkdirSync(dataDir, { recursive: true });
  if (!existsSync(path.join(dataDir, 'PG_VERSION'))) await initialise(binDir, dataDir, identity);
  const server = new PostgresServer(binDir, dataDir, options.port ?? (await freePort()), identity, options);
  await server.start();
  return server;
}

async function initialise(binDir: string, dataDir: string, identity: Identity): Promise<void> {
  if (identity.uid !== undefined) chownSync(dataDir, identity.uid, identity.gid ?? identity.uid);
  chmodSync(dataDir, 0o700);
  const passwordDir = mkdtempSync(path.join(tmpdir(), 'millrace-pw-'));
  const passwordFile = path.join(passwordDir, 'pw');
  writeFileSync(passwordFile, 'postgres\n', { mode: 0o644 });
  chmodSync(passwordDir, 0o755);
  try {
    const args = [
      '-D',
      dataDir,
      '-U',
      'postgres',
      `--pwfile=${passwordFile}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ];
    await run(path.join(binDir, 'initdb'), args, {
      ...identity,
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C' },
    });
  } catch (error) {
    throw new MillraceError('local.start_failed', `initdb failed in ${dataDir}`, { cause: error });
  } finally {
    rmSync(passwordDir, { recursive: true, force: true });
  }
}

/** Postgres refuses to run as root: then it runs as `postgres`, or as `nobody`. */
async function unprivilegedIdentity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', user]), run('id', ['-g', user])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      continue; // no such user: try the next
    }
  }
  return { uid: 65534, gid: 65534 };
}

/** Binaries below a folder that the unprivileged user cannot enter are copied once to where it can. */
function reachableBinaries(binDir: string, identity: Identity): string {
  if (identity.uid === undefined || everyoneMayEnter(binDir)) return binDir;
  const install = path.dirname(binDir);
  const version = path.basename(path.dirname(install)).replaceAll(/\W/g, '_');
  const copy = path.join(
    tmpdir(),
    `millrace-postgres-${version}-${statSync(path.join(binDir, 'postgres')).mtimeMs}`,
  );
  if (!existsSync(path.join(copy, 'complete'))) {
    cpSync(install, copy, { recursive: true, verbatimSymlinks: true });
    chmodSync(copy, 0o755);
    writeFileSync(path.join(copy, 'complete'), '');
  }
  return path.join(copy, path.basename(binDir));
}

function everyoneMayEnter(folder: string): boolean {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if ((statSync(at).mode & 0o005) !== 0o005) return false;
    if (at === path.dirname(at)) return true;
  }
}
