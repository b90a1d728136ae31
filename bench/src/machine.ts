// What the machine can do by itself: baselines of the broker's bench.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { seconds } from './measure.ts';

const MB = 1024 * 1024;

/** Megabytes a second through a loopback socket. */
export async function loopbackStream(): Promise<number> {
  const server = createServer((socket) => socket.resume());
  const port = await listening(server);
  const socket = connect(port, '127.0.0.1');
  const chunk = Buffer.alloc(MB, 120);
  const time = await seconds(async () => {
    for (let i = 0; i < 1024; i++)
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
    await new Promise<void>((resolve) => socket.end(resolve));
  });
  server.close();
  return 1024 / time;
}

/** Milliseconds of each of `rounds` echoes of 1.1 KB. */
export async function loopbackEcho(rounds: number): Promise<number[]> {
  const server = createServer((socket) => socket.on('data', (chunk) => socket.write(chunk)));
  const socket = connect(await listening(server), '127.0.0.1');
  socket.setNoDelay(true);
  const chunk = Buffer.alloc(1100, 120);
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    let left = chunk.length;
    await new Promise<void>((resolve) => {
      const read = (part: Buffer): void => {
        left -= part.length;
        if (left > 0) return;
        socket.off('data', read);
        resolve();
      };
      socket.on('data', read);
      socket.write(chunk);
    });
    times.push(performance.now() - start);
  }
  socket.destroy();
  server.close();
  return times;
}

/** A process that answers Kafka's frames and does nothing else: one of the programs beside this file. */
export class PlainServer implements Disposable {
  readonly pid: number;
  readonly port: number;
  readonly #stop: () => void;

  private constructor(pid: number, port: number, stop: () => void) {
    this.pid = pid;
    this.port = port;
    this.#stop = stop;
  }

  /** Answers 60 bytes to each frame, after `waitMs`. */
  static start(waitMs: number): Promise<PlainServer> {
    return PlainServer.#fork('plain-server.js', String(waitMs));
  }

  /** Answers each frame once it is written to this file and synced. */
  static durable(file: string): Promise<PlainServer> {
    return PlainServer.#fork('plain-server.js', '0', file);
  }

  /** Answers what a producer of one partition asks. */
  static noopBroker(topic: string): Promise<PlainServer> {
    return PlainServer.#fork('noop-broker.js', topic);
  }

  static async #fork(program: string, ...args: string[]): Promise<PlainServer> {
    const script = path.join(path.dirname(fileURLToPath(import.meta.url)), program);
    const child = fork(script, args);
    const [port] = (await once(child, 'message')) as [number];
    return new PlainServer(child.pid ?? 0, port, () => child.kill());
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    }),
  );
}

/** Milliseconds of each of `rounds` writes of 1.1 KB with fdatasync. */
export function rawSyncs(rounds: number): number[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bench-'));
  const file = openSync(path.join(folder, 'raw'), 'w');
  const chunk = Buffer.alloc(1100, 120);
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    writeSync(file, chunk);
    fdatasyncSync(file);
    return performance.now() - start;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return times;
}
