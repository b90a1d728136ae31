// A process whose log nobody reads: the reader of the pipe stands still or goes away, or the disk below it is full.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-servers';
import { childEnvironment, eventually, restRequest } from '@millrace/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), '../bin/millrace.js');
/** Each is warned about: several times what a pipe takes. */
const UNKNOWN_KEYS = 12_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-unread-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

class Unread implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #rest: string;

  constructor(child: ChildProcess, rest: string) {
    this.child = child;
    this.#rest = rest;
  }

  /** Starts one that logs much at its start; nothing of that is read. */
  static async start(stderr: 'pipe' | number): Promise<Unread> {
    const [rest, kafka] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const file = path.join(folder, 'server.properties');
    writeFileSync(file, Array.from({ length: UNKNOWN_KEYS }, (_, i) => `no.such.key.${i}=1\n`).join(''));
    const args = ['start', '--broker-config', file, '--data', folder, '--rest', rest, '--kafka', kafka];
    const stdio: ['ignore', 'ignore', 'pipe' | number] = ['ignore', 'ignore', stderr];
    return new Unread(spawn(process.execPath, [bin, ...args], { stdio, env: childEnvironment() }), rest);
  }

  async answers(): Promise<void> {
    await eventually('it answers', async () => {
      const { status } = await restRequest(`http://${this.#rest}`, 'GET', '/health/ready');
      return status === 200;
    });
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    return await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

test('INV-7: goes on while nobody reads its log, and says what it dropped to who reads it then', async () => {
  await using millrace = await Unread.start('pipe');
  await millrace.answers();
  let text = '';
  millrace.child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await eventually('what has waited comes', () => text.length > 1_000_000);
  expect(await millrace.end('SIGTERM')).toBe(0);
  expect(text.split('\n').filter((line) => line !== '' && !line.endsWith('}'))).toEqual([]);
  expect(text.split('no.such.key.').length).toBeLessThan(UNKNOWN_KEYS);
});

test('goes on when the reader of its log is gone', async () => {
  await using millrace = await Unread.start('pipe');
  millrace.child.stderr?.destroy();
  await millrace.answers();
  expect(await millrace.end('SIGTERM')).toBe(0);
});

test.runIf(process.platform === 'linux')('goes on while the disk that its log is on is full', async () => {
  const full = openSync('/dev/full', 'w');
  try {
    await using millrace = await Unread.start(full);
    await millrace.answers();
    expect(await millrace.end('SIGTERM')).toBe(0);
  } finally {
    closeSync(full);
  }
});
