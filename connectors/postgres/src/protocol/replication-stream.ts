// The replication connection: takes the socket over from the driver once it has logged in, starts streaming, hands
// the payload of each change to the reader in place, and keeps the server informed of what is durable.
//
//   from the server, inside CopyData: w start:8 end:8 time:8 data      k end:8 time:8 reply:1
//   to the server, inside CopyData:   r written:8 flushed:8 applied:8 time:8 reply:1
import type { Socket } from 'node:net';
import type { Clock } from '@millrace/foundation';
import type pg from 'pg';
import { postgresError, toPostgresError } from '../errors.ts';
import { FrameReader, MESSAGE_TYPE } from './frames.ts';
import { type Lsn, readLsn, writeLsn } from './lsn.ts';
import { POSTGRES_EPOCH_US } from './pgoutput.ts';
import { socketOf } from './socket-of.ts';
import { Watchdog } from './watchdog.ts';

/** What a reader does with the stream. */
export interface ReplicationHandler {
  /**
   * One pgoutput message, `bytes[start, end)`, sent for `lsn`. The bytes never change. Returns false when the reader
   * can take no more for now; `resume` goes on.
   */
  change(lsn: Lsn, bytes: Buffer, start: number, end: number): boolean;
  /** The server has nothing to send before `lsn`. It is `urgent` when the server waits for that to be confirmed. */
  keepalive(lsn: Lsn, urgent: boolean): void;
  /** All that has arrived so far was handled. Returns false when the reader can take no more for now, as `change`. */
  caughtUp(): boolean;
  /** The stream is over, whether the server ended it or it broke. Not called after `close`. */
  failed(error: unknown): void;
}

export interface ReplicationStreamOptions {
  readonly client: pg.Client;
  readonly handler: ReplicationHandler;
  readonly clock: Clock;
  readonly statusIntervalMs: number;
  /** So long a silence in spite of questions ends the stream: see Watchdog. */
  readonly silenceLimitMs: number;
  /** So long it may take to hand a confirmed position to the network; then `flushOverdue` decides. */
  readonly flushTimeoutMs: number;
  /** Returns the error that ends the stream; undefined to go on. */
  readonly flushOverdue: (lsn: Lsn) => Error | undefined;
}

const KIND = { change: 0x77, keepalive: 0x6b, status: 0x72 } as const;
const CHANGE_HEADER = 25;
const KEEPALIVE_BODY = 18;
const STATUS_BYTES = 39;

/**
 * Reads eagerly while little comes, so that a change is seen at once. When messages keep coming faster than a read
 * each, it waits a millisecond after each short read: the server sends every message by itself, and a reader that
 * waits lets them gather in the socket, which spares both sides most of their work.
 */
const SHORT_READ = 60 * 1024;
const EAGER_GAP_MS = 0.3;
const EAGER_READS = 8;
const IDLE_READ = 1024;
/** So many idle reads in a row end the pacing: a single one may only mean that the server had no CPU. */
const IDLE_READS = 4;
const PACE_MS = 1;

const SHUTDOWN_GRACE_MS = 5000;
const SHUTDOWN_PAUSE_MS = 2000;

export class ReplicationStream {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #handler: ReplicationHandler;
  readonly #clock: Clock;
  readonly #statusIntervalMs: number;
  readonly #watchdog: Watchdog;
  readonly #frames = new FrameReader();
  readonly #status = Buffer.alloc(STATUS_BYTES);
  readonly #flushTimeoutMs: number;
  readonly #flushOverdue: (lsn: Lsn) => Error | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  /** Confirmed positions on their way to the network. */
  #unsent = 0;
  #durable: Lsn = 0;
  #timer: NodeJS.Timeout | undefined;
  #pacer: NodeJS.Timeout | undefined;
  #blocked = false;
  #closed = false;
  #streaming = false;
  #quickReads = 0;
  #idleReads = 0;
  #askedSinceMs = 0;
  #lastAskedMs = Number.NEGATIVE_INFINITY;
  #lastReadMs = 0;
  #settleStart: ((error?: unknown) => void) | undefined;

  constructor(options: ReplicationStreamOptions) {
    this.#client = options.client;
    this.#socket = socketOf(options.client);
    this.#handler = options.handler;
    this.#clock = options.clock;
    this.#statusIntervalMs = options.statusIntervalMs;
    this.#flushTimeoutMs = options.flushTimeoutMs;
    this.#flushOverdue = options.flushOverdue;
    this.#watchdog = new Watchdog({
      limitMs: options.silenceLimitMs,
      reading: () => !this.#blocked,
      ask: () => this.ask(),
      dead: (silentMs) => this.#fail(stalled(silentMs)),
    });
  }

  /** Asks the server how far it has read; the answer is a keepalive. */
  ask(): void {
    this.#sendStatus(true);
  }

  /** Whether the server owes an answer (INV-7). */
  get isSilent(): boolean {
    return this.#watchdog.isWaiting;
  }

  /**
   * Sends START_REPLICATION and resolves when the server streams. `durable` is what may be confirmed from the start.
   * @throws postgres.slot_active and what else the server answers
   */
  async start(command: string, durable: Lsn): Promise<void> {
    this.#durable = durable;
    const socket = this.#socket;
    // From here on the bytes are ours: the driver's parser moves its buffer while slices of it are in use.
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(undefined));
    const started = new Promise<void>((resolve, reject) => {
      this.#settleStart = (error) => (error === undefined ? resolve() : reject(error as Error));
    });
    const text = Buffer.from(`${command}\0`);
    const query = Buffer.alloc(5);
    query.write('Q', 0);
    query.writeInt32BE(4 + text.length, 1);
    socket.write(Buffer.concat([query, text]));
    this.#watchdog.start();
    await started;
    this.#timer = setInterval(() => this.#sendStatus(), this.#statusIntervalMs);
  }

  /** Everything up to `lsn` is durable downstream; the server may forget it. Positions never go back. */
  confirm(lsn: Lsn): void {
    if (lsn <= this.#durable) return;
    this.#durable = lsn;
    if (!this.#streaming) return;
    this.#unsent++;
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      const error = this.#flushOverdue(lsn);
      if (error !== undefined) this.#fail(error);
    }, this.#flushTimeoutMs);
    this.#sendStatus(false, () => {
      if (--this.#unsent > 0) return;
      clearTimeout(this.#flushTimer);
      this.#flushTimer = undefined;
    });
  }

  /** Asks the handler whether it can take more, as after each read: for one that has something to do in between. */
  nudge(): void {
    if (!this.#blocked && !this.#closed && this.#streaming) this.#pump();
  }

  /** Goes on after `change` returned false. */
  resume(): void {
    if (!this.#blocked || this.#closed) return;
    this.#blocked = false;
    this.#pump();
    if (!this.#blocked && this.#pacer === undefined) this.#socket.resume();
  }

  /** Tells the server the end and closes the connection. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog.stop();
    this.#clearTimers();
    if (this.#streaming && !this.#socket.destroyed) {
      this.#sendStatus();
      this.#socket.write(Buffer.from([MESSAGE_TYPE.copyDone, 0, 0, 0, 4]));
    }
    this.#socket.resume();
    await endClient(this.#client, this.#socket);
  }

  #clearTimers(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#pacer);
    clearTimeout(this.#flushTimer);
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    this.#watchdog.heard();
    this.#frames.push(chunk);
    if (!this.#blocked) this.#pump();
    if (this.#closed) return;
    if (this.#blocked) {
      // INV-5: a reader that is full stops the socket; status updates go on by their timer.
      this.#socket.pause();
      return;
    }
    this.#pace(chunk.length);
  }

  #pace(read: number): void {
    const now = this.#clock.monotonicMs();
    const gap = now - this.#lastReadMs;
    this.#lastReadMs = now;
    if (this.#quickReads < EAGER_READS) {
      this.#quickReads = gap > EAGER_GAP_MS ? 0 : this.#quickReads + 1;
      return;
    }
    this.#idleReads = read < IDLE_READ ? this.#idleReads + 1 : 0;
    if (this.#idleReads >= IDLE_READS) {
      this.#idleReads = 0;
      this.#quickReads = 0;
      return;
    }
    if (read >= SHORT_READ) return;
    this.#socket.pause();
    this.#pacer = setTimeout(() => {
      this.#pacer = undefined;
      if (!this.#blocked && !this.#closed) this.#socket.resume();
    }, PACE_MS);
  }

  #pump(): void {
    try {
      const goOn = this.#frames.drain(this.#onMessage) && (!this.#streaming || this.#handler.caughtUp());
      if (!goOn && !this.#closed) this.#blocked = true;
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly #onMessage = (type: number, bytes: Buffer, start: number, end: number): boolean => {
    if (type === MESSAGE_TYPE.copyData) return this.#onCopyData(bytes, start, end);
    if (type === MESSAGE_TYPE.copyBoth) {
      this.#streaming = true;
      this.#settleStart?.();
      this.#settleStart = undefined;
    } else if (type === MESSAGE_TYPE.error) {
      this.#fail(serverError(reportFields(bytes, start, end)));
      return false;
    } else if (type === MESSAGE_TYPE.notice) {
      const missing = missingPublication(reportFields(bytes, start, end));
      if (missing !== undefined) {
        this.#fail(missing);
        return false;
      }
    } else if (type === MESSAGE_TYPE.copyDone) {
      this.#fail(undefined);
      return false;
    }
    return true; // other notices, parameters and the like
  };

  #onCopyData(bytes: Buffer, start: number, end: number): boolean {
    const kind = start < end ? bytes[start] : undefined;
    if (kind === KIND.change && end - start >= CHANGE_HEADER) {
      return this.#handler.change(readLsn(bytes, start + 1), bytes, start + CHANGE_HEADER, end);
    }
    if (kind === KIND.keepalive && end - start >= KEEPALIVE_BODY) {
      const lsn = readLsn(bytes, start + 1);
      const replyRequested = bytes[start + 17] === 1;
      this.#handler.keepalive(lsn, replyRequested);
      if (replyRequested) {
        this.#sendStatus();
        this.#yieldToShutdown(lsn);
      }
      return true;
    }
    throw postgresError(
      'postgres.protocol',
      `The server sent a malformed replication message of kind ${kind}`,
    );
  }

  /**
   * Our status updates keep the server from ever having to ask for one, but when it shuts down: then it asks until all
   * it has sent is confirmed, however long that takes. What is not durable after a while comes again after the restart.
   */
  #yieldToShutdown(lsn: Lsn): void {
    const now = this.#clock.monotonicMs();
    if (this.#durable >= lsn || now - this.#lastAskedMs > SHUTDOWN_PAUSE_MS) this.#askedSinceMs = now;
    this.#lastAskedMs = now;
    if (now - this.#askedSinceMs < SHUTDOWN_GRACE_MS) return;
    this.#fail(Object.assign(new Error('the server is shutting down'), { code: '57P01', severity: 'FATAL' }));
  }

  // INV-1: the position sent is the one last made durable, never one that was only received.
  #sendStatus(replyRequested = false, sent?: () => void): void {
    if (!this.#streaming || this.#socket.destroyed || !this.#socket.writable) return;
    const status = this.#status;
    status[0] = MESSAGE_TYPE.copyData;
    status.writeInt32BE(STATUS_BYTES - 1, 1);
    status[5] = KIND.status;
    writeLsn(status, this.#durable, 6);
    writeLsn(status, this.#durable, 14);
    writeLsn(status, this.#durable, 22);
    status.writeBigInt64BE(BigInt(this.#clock.nowMs() * 1000 - POSTGRES_EPOCH_US), 30);
    status[38] = replyRequested ? 1 : 0;
    this.#socket.write(Buffer.from(status), sent);
  }

  #fail(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchdog.stop();
    this.#clearTimers();
    const error =
      cause === undefined
        ? postgresError('postgres.connection_lost', 'The server closed the replication connection')
        : toPostgresError(cause, 'Replication failed');
    void endClient(this.#client, this.#socket);
    const settle = this.#settleStart;
    this.#settleStart = undefined;
    if (settle) settle(error);
    else this.#handler.failed(error);
  }
}

function stalled(silentMs: number): Error {
  const seconds = Math.round(silentMs / 1000);
  return postgresError(
    'postgres.connection_stalled',
    `The server has sent nothing on the replication connection for ${seconds} s and does not answer`,
  );
}

/** A session's own end is bounded; whatever it left of the socket goes with it. */
async function endClient(client: pg.Client, socket: Socket): Promise<void> {
  await client.end().catch(() => undefined);
  socket.destroy();
}

/** ErrorResponse and NoticeResponse: (field:1 text\0)* \0 */
function reportFields(bytes: Buffer, start: number, end: number): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = start; at < end && bytes[at] !== 0; ) {
    const zero = bytes.indexOf(0, at + 1);
    if (zero < 0 || zero >= end) break;
    fields.set(String.fromCharCode(bytes[at] ?? 0), bytes.toString('utf8', at + 1, zero));
    at = zero + 1;
  }
  return fields;
}

function serverError(fields: ReadonlyMap<string, string>): Error {
  return Object.assign(new Error(fields.get('M') ?? 'unknown error'), {
    code: fields.get('C'),
    severity: fields.get('S'),
  });
}

/**
 * INV-3: from 18 on, pgoutput passes over the changes of a publication that is not there, with no more than a warning
 * (which its function tells from others in every language). Here that ends the stream as with older servers, in their words.
 */
function missingPublication(fields: ReadonlyMap<string, string>): Error | undefined {
  if (fields.get('R') !== 'LoadPublications') return undefined;
  const name = /"(.*)"/s.exec(fields.get('M') ?? '')?.[1];
  const text =
    name === undefined
      ? (fields.get('M') ?? 'a publication is missing')
      : `publication "${name}" does not exist`;
  return Object.assign(new Error(text), { code: '42704', severity: 'ERROR' });
}
