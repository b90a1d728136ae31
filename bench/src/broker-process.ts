// `millrace broker` as a process of its own: started, killed and started again by benches.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Cluster } from '@millrace/kafka-client';
import { freePort } from '@millrace/local-servers';

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../packages/cli/bin/millrace.js');

export class BrokerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, properties: Readonly<Record<string, string>>) {
    this.port = port;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-broker-'));
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(path.join(this.#folder, 'server.properties'), lines.join(''));
  }

  static async start(properties: Readonly<Record<string, string>> = {}): Promise<BrokerProcess> {
    const broker = new BrokerProcess(await freePort(), properties);
    await broker.start();
    return broker;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves with the seconds until it was ready. */
  async start(): Promise<number> {
    const began = performance.now();
    const args = [bin, 'broker', path.join(this.#folder, 'server.properties')];
    args.push('--data', path.join(this.#folder, 'data'), '--kafka', this.address, '--log-level', 'error');
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the broker ended with ${code}`)));
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().startsWith('ready')) resolve();
      });
    });
    return (performance.now() - began) / 1000;
  }

  async createTopics(topics: Readonly<Record<string, number>>): Promise<void> {
    const specs = Object.entries(topics).map(([name, partitions]) => ({ name, partitions }));
    await this.#administer((admin) => admin.createTopics(specs));
  }
  async deleteTopics(names: readonly string[]): Promise<void> {
    await this.#administer((admin) => admin.deleteTopics(names));
  }

  async #administer(work: (admin: Admin) => Promise<unknown>): Promise<void> {
    await using cluster = new Cluster({
      bootstrapServers: this.address,
      clientId: 'bench',
      logger: silentLogger,
      clock: systemClock,
    });
    await work(new Admin(cluster));
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
