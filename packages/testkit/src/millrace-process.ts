// `millrace start` as a child process from dist: what e2e, fault and golden tests drive, kill and start again.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-servers';
import { childEnvironment } from './child-environment.ts';
import { type RestAnswer, type RestSubject, restRequest } from './rest-request.ts';

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../cli/bin/millrace.js');

export interface MillraceOptions {
  /** A folder to keep; absent = a temporary one that dispose deletes. */
  readonly dataDir?: string;
  /** Keys of a worker properties file; with `listeners` they decide where REST listens, first of all at `rest`. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Keys of the bundled broker's server.properties, given its address; with `listeners` it decides where it listens. */
  readonly brokerProperties?: (kafka: string) => Readonly<Record<string, string>>;
  /** Runs `millrace standalone` with these files of connectors; the offset file has to be in `properties`. */
  readonly standalone?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The folder it is started in; this process' own by default. */
  readonly cwd?: string;
  /** An external cluster: no bundled broker is started. */
  readonly bootstrapServers?: string;
  readonly readyTimeoutMs?: number;
}

/** A running Millrace; its ports stay the same over restarts. */
export class MillraceProcess implements AsyncDisposable, RestSubject {
  readonly dataDir: string;
  /** `HOST:PORT` of the Kafka listener. */
  readonly kafka: string;
  /** `http://HOST:PORT`. */
  readonly rest: string;
  readonly #options: MillraceOptions;
  #child: ChildProcess | undefined;
  #logs = '';

  constructor(dataDir: string, kafka: string, rest: string, options: MillraceOptions) {
    this.dataDir = dataDir;
    this.kafka = kafka;
    this.rest = rest;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }
  /** Everything it printed, ready line and logs. */
  get logs(): string {
    return this.#logs;
  }
  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #writeProperties(name: string, properties: Readonly<Record<string, string>>): string {
    const file = path.join(this.dataDir, name);
    const lines = Object.entries(properties).map(
      ([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}`,
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }

  /** Starts it and waits for the ready line. */
  async start(): Promise<void> {
    const { standalone } = this.#options;
    const args = [bin, standalone === undefined ? 'start' : 'standalone'];
    const { bootstrapServers } = this.#options;
    const properties: Record<string, string> = {
      ...this.#options.properties,
      ...(bootstrapServers === undefined ? {} : { 'bootstrap.servers': bootstrapServers }),
    };
    if (Object.keys(properties).length > 0) args.push(this.#writeProperties('worker.properties', properties));
    if (standalone !== undefined) args.push(...standalone);
    const broker = this.#options.brokerProperties?.(this.kafka);
    if (broker) args.push('--broker-config', this.#writeProperties('server.properties', broker));
    args.push('--data', path.join(this.dataDir, 'data'));
    if (properties['listeners'] === undefined) args.push('--rest', this.rest.replace('http://', ''));
    if (bootstrapServers === undefined && broker?.['listeners'] === undefined)
      args.push('--kafka', this.kafka);
    args.push(...(this.#options.args ?? []));
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment(this.#options.env),
      cwd: this.#options.cwd,
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`millrace ${why}\n${this.#logs.slice(-4000)}`));
      const timer = setTimeout(() => fail('was not ready in time'), this.#options.readyTimeoutMs ?? 30_000);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended before it was ready (${signal ?? code})`);
      });
      const read = (chunk: Buffer): void => {
        this.#logs += chunk.toString();
        if (this.#logs.length > 4_000_000) this.#logs = this.#logs.slice(-2_000_000);
      };
      child.stderr.on('data', read);
      child.stdout.on('data', (chunk: Buffer) => {
        read(chunk);
        if (!/^ready /m.test(chunk.toString())) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Sends a signal and waits for the end; true when it ended by itself with exit code 0. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<boolean> {
    const child = this.#child;
    if (!child || !this.running) return false;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const code = await ended;
    clearTimeout(timer);
    return code === 0;
  }

  /** SIGKILL and a new start on the same folder and ports. */
  async crash(): Promise<void> {
    await this.end('SIGKILL');
    await this.start();
  }

  /** A REST call; the body is parsed when it is JSON. */
  request(method: string, pathname: string, body?: unknown): Promise<RestAnswer> {
    return restRequest(this.rest, method, pathname, body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    if (this.#options.dataDir === undefined) rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Starts `millrace start` on free ports and waits until it is ready. */
export async function startMillrace(options: MillraceOptions = {}): Promise<MillraceProcess> {
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'millrace-test-'));
  const kafka = options.bootstrapServers ?? `127.0.0.1:${await freePort()}`;
  const [listener] = options.properties?.['listeners']?.split(',') ?? [];
  const rest = listener ?? `http://127.0.0.1:${await freePort()}`;
  const millrace = new MillraceProcess(dataDir, kafka, rest, options);
  try {
    await millrace.start();
  } catch (error) {
    await millrace[Symbol.asyncDispose]();
    throw error;
  }
  return millrace;
}
