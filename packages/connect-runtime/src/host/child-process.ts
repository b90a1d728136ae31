// A process for plug-ins of others, seen from the worker: started, watched, ended, and what it died of. Memory beyond
// its limits, an endless loop, `process.exit` or a crash end that process and nothing else (INV-6).
import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock, Logger, LogHub, MillraceError } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { Lease } from '../lease.ts';
import type { ErrorData, FromChild, PluginPlace, ToChild } from './child-messages.ts';
import { errorOf } from './error-data.ts';
import { MEMORY_LIMIT_LINE } from './memory-limit.ts';
import { levelsOf } from './remote-tasks.ts';

export interface PluginProcessSettings {
  /** A module that exports `pluginEntries`: what comes with Millrace; null = nothing does. */
  readonly pluginsModule: URL | null;
  /** Limit of the JavaScript heap, in MB. */
  readonly heapMb: number;
  /** Limit of resident memory, buffers and all, in MB. */
  readonly memoryMb: number;
  /** A process that has answered nothing for so long is blocked, and is killed. */
  readonly blockedMs: number;
  readonly logHub: LogHub;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly lease: Lease;
}

export interface PluginProcessOptions extends PluginProcessSettings {
  /** Whose it is, for logs: a connector or a package. */
  readonly name: string;
  readonly places: readonly PluginPlace[];
  readonly onMessage: (message: FromChild) => void;
  /** Called once, after its last message; null when it was told to end. */
  readonly onExit: (error: MillraceError | null) => void;
}

const PING_MS = 1000;
const STDERR_KEPT = 4000;
const COUNT_BYTES = Int32Array.BYTES_PER_ELEMENT;

export class PluginProcess {
  readonly exited: Promise<void>;
  readonly #options: PluginProcessOptions;
  readonly #child: ChildProcess;
  readonly #writesFd: number;
  #ready = false;
  #unanswered = 0;
  #stderr = '';
  #killedFor: string | undefined;
  #dyingOf: ErrorData | undefined;
  #ending = false;
  dead = false;

  constructor(options: PluginProcessOptions) {
    this.#options = options;
    this.#writesFd = openAnonymous();
    this.#child = fork(new URL('../../dist/host/child.js', import.meta.url), {
      execArgv: [`--max-old-space-size=${options.heapMb}`],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', this.#writesFd],
    });
    const unfollow = options.lease.follow((ends) => this.send({ type: 'lease', ends }));
    const ping = setInterval(() => this.#ping(), PING_MS);
    this.#child.on('message', (message) => this.#receive(message as FromChild));
    this.#readOutput();
    this.exited = endOf(this.#child).then(({ code, signal, error: failure }) => {
      if (failure) this.#killedFor = `it could not be started: ${failure.message}`;
      this.dead = true;
      clearInterval(ping);
      unfollow();
      const error = this.#ending ? null : this.#lost(code, signal);
      if (error) this.#options.logger.error({ plugins: options.name }, error.message);
      options.onExit(error);
      closeSync(this.#writesFd);
    });
    this.send({
      type: 'init',
      data: {
        pluginsModule: options.pluginsModule?.href ?? null,
        places: options.places,
        lease: options.lease.ends,
        logLevels: levelsOf(options.logHub),
        memoryMb: options.memoryMb,
      },
    });
  }

  send(message: ToChild): void {
    if (this.dead || !this.#child.connected) return;
    // A process that has just died is told by its end, not by what cannot be sent to it.
    this.#child.send(message, () => undefined);
  }

  /** Whether a task had requests without an answer when the process was last alive. */
  hasWrites(id: number): boolean {
    const count = Buffer.alloc(COUNT_BYTES);
    readSync(this.#writesFd, count, 0, COUNT_BYTES, id * COUNT_BYTES);
    return count.readInt32LE() !== 0;
  }

  /** Ends it at once; its tasks fail for that reason. */
  kill(reason: string): void {
    if (this.dead) return;
    this.#killedFor ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** Stops what it runs and ends it, by force when that takes longer than `withinMs`. */
  async end(withinMs: number): Promise<void> {
    this.#ending = true;
    this.send({ type: 'end' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    await this.exited;
    clearTimeout(timer);
  }

  /** Counts ticks, not time: a worker that was stopped itself must not take its processes for blocked. */
  #ping(): void {
    if (!this.#ready) return;
    if (this.#unanswered * PING_MS >= this.#options.blockedMs) {
      this.kill(
        `it has answered nothing for ${this.#unanswered * PING_MS} ms, as if in an endless loop (task.shutdown.graceful.timeout.ms)`,
      );
      return;
    }
    this.#unanswered++;
    this.send({ type: 'ping' });
  }

  #receive(message: FromChild): void {
    this.#unanswered = 0;
    if (message.type === 'pong') return;
    if (message.type === 'ready') this.#ready = true;
    else if (message.type === 'dying') this.#dyingOf = message.error;
    else this.#options.onMessage(message);
  }

  #readOutput(): void {
    const logger = this.#options.logHub.logger('millrace.plugins');
    const plugins = this.#options.name;
    onLines(this.#child.stdout, (line) => logger.info({ plugins }, line));
    onLines(this.#child.stderr, (line) => {
      logger.warn({ plugins }, line);
      this.#stderr = `${this.#stderr}${line}\n`.slice(-STDERR_KEPT);
    });
  }

  #lost(code: number | null, signal: NodeJS.Signals | null): MillraceError {
    const { heapMb, memoryMb, name } = this.#options;
    const cause = this.#dyingOf === undefined ? undefined : errorOf(this.#dyingOf);
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const reason = this.#stderr.includes('heap out of memory')
      ? `it needed more than ${heapMb} MB of heap (plugin.process.heap.mb)`
      : this.#stderr.includes(MEMORY_LIMIT_LINE)
        ? `it needed more than ${memoryMb} MB of memory (plugin.process.memory.mb)`
        : (this.#killedFor ??
          (cause === undefined
            ? signal === null
              ? `it ended itself (${how})`
              : `it crashed (${how})`
            : `an error that nobody caught: ${cause.message}`));
    return connectError(
      'connect.plugin_process_lost',
      `The process of the plug-ins of ${name} died: ${reason}`,
      cause === undefined ? {} : { cause },
    );
  }
}

interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/** How long after its end a process' last words are waited for: what it started itself may keep its output open. */
const LAST_WORDS_MS = 1000;

async function endOf(child: ChildProcess): Promise<ProcessEnd> {
  // `close` comes after the last line of output, `disconnect` after the last message.
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve));
  const end = await new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
  });
  if (end.error) return end;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LAST_WORDS_MS);
  });
  await Promise.race([Promise.all([closed, disconnected]), late]);
  clearTimeout(timer);
  return end;
}

/** A file without a name, whose bytes are there after a process that wrote them was killed. */
function openAnonymous(): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-'));
  try {
    return openSync(path.join(folder, 'writes'), 'w+');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const MAX_LINE = 16_384;

function onLines(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') take(line.slice(0, MAX_LINE));
    if (rest.length <= MAX_LINE) return;
    take(rest.slice(0, MAX_LINE));
    rest = '';
  });
  stream?.on('end', () => {
    if (rest !== '') take(rest);
  });
}
