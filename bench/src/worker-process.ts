// The worker of `worker-program.ts` as benches drive it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@millrace/foundation';

const folder = path.dirname(fileURLToPath(import.meta.url));

/** Runs a program beside this file until it sends a number. */
export async function runProgram(program: string, ...args: string[]): Promise<number> {
  const child = fork(path.join(folder, program), args);
  const [number] = (await once(child, 'message')) as [number];
  if (child.exitCode === null) await once(child, 'exit');
  return number;
}

export class WorkerProcess implements AsyncDisposable {
  readonly rest: string;
  readonly #child: ChildProcess;
  readonly #dataDir: string;

  private constructor(child: ChildProcess, port: number, dataDir: string) {
    this.#child = child;
    this.#dataDir = dataDir;
    this.rest = `http://127.0.0.1:${port}`;
  }

  static async start(bootstrapServers: string): Promise<WorkerProcess> {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'millrace-bench-worker-'));
    const child = fork(path.join(folder, 'worker-program.js'), [bootstrapServers, dataDir]);
    const [port] = (await once(child, 'message')) as [number];
    return new WorkerProcess(child, port, dataDir);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async put(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    const answer = await fetch(`${this.rest}/connectors/${name}/config`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(config),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${text}`);
  }
  async delete(name: string): Promise<void> {
    await fetch(`${this.rest}/connectors/${name}`, { method: 'DELETE' });
  }

  /** The value of the only series with this begin of a line; -1 when there is none. */
  async metric(series: string): Promise<number> {
    const page = await (await fetch(`${this.rest}/metrics`)).text();
    const line = page.split('\n').find((one) => one.startsWith(series));
    return line === undefined ? -1 : Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  /** Looks every so often until a series is at least `wanted`; its value then. */
  async until(series: string, wanted: number, everyMs = 20): Promise<number> {
    for (;;) {
      const value = await this.metric(series);
      if (value >= wanted) return value;
      await systemClock.sleep(everyMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}
