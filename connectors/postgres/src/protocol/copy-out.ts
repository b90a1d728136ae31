// COPY ... TO STDOUT on a session of the driver. Until all rows are there the bytes of its connection come to us: rows
// stay where they arrived, with no stream and no copy in between. Whatever else the server says is the driver's to read.
import type { Socket } from 'node:net';
import type pg from 'pg';
import { postgresError } from '../errors.ts';
import { FrameReader, MESSAGE_HEADER, MESSAGE_TYPE } from './frames.ts';

export interface CopyHandler {
  /** A row in text format with its newline, `bytes[start, end)`. The bytes are the handler's to keep and to change. */
  row(bytes: Buffer, start: number, end: number): void;
  /** The rows of one read were handed over. The next read waits for what is returned. */
  read(): Promise<void> | undefined;
}

/**
 * Resolves when all rows were handed over. A session whose copy failed for another reason than the server's is to be ended:
 * what is left of the rows is still to come.
 *
 * @throws what the server says, what the handler throws, or that the signal has fired
 */
export async function copyOut(
  client: pg.Client,
  sql: string,
  handler: CopyHandler,
  signal?: AbortSignal,
): Promise<void> {
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const copy = new CopyOut(sql, handler, { resolve, reject });
      abort = () => copy.fail(new Error('the task stops'));
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted === true) abort();
      else client.query(copy);
    });
  } finally {
    if (abort !== undefined) signal?.removeEventListener('abort', abort);
  }
}

const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the driver is given as a query. */
class CopyOut {
  readonly #sql: string;
  readonly #handler: CopyHandler;
  readonly #settle: Settle;
  readonly #frames = new FrameReader();
  #socket: Socket | undefined;
  #driver: ((chunk: Buffer) => void) | undefined;
  /** The message that ended the rows, where it is the driver's. */
  #last: Buffer = NOTHING;
  /** A row that came in several messages, which no server does. */
  #part: Buffer | undefined;
  #failed = false;

  constructor(sql: string, handler: CopyHandler, settle: Settle) {
    this.#sql = sql;
    this.#handler = handler;
    this.#settle = settle;
  }

  /** Called by the driver when it is this query's turn. */
  submit(connection: pg.Connection): void {
    const socket = connection.stream as Socket;
    const [driver, other] = socket.listeners('data');
    if (driver === undefined || other !== undefined)
      throw postgresError('postgres.protocol', 'The driver does not give access to its connection');
    this.#socket = socket;
    this.#driver = driver as (chunk: Buffer) => void;
    socket.off('data', this.#driver);
    socket.on('data', this.#onData);
    connection.query(this.#sql);
  }

  // The names of the driver: what it reads before and after the rows.
  handleError(error: unknown): void {
    this.#detach();
    this.fail(error);
  }
  handleCommandComplete(): void {}
  handleReadyForQuery(): void {
    this.#settle.resolve();
  }

  /** The rows that are still to come are let go. */
  fail(error: unknown): void {
    this.#failed = true;
    this.#settle.reject(error);
    this.#socket?.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#frames.push(chunk);
    let isDone = false;
    try {
      isDone = !this.#frames.drain(this.#onMessage);
      if (!this.#failed) this.#wait(this.#handler.read());
    } catch (error) {
      this.fail(error);
    }
    if (isDone) this.#detach();
  };

  readonly #onMessage = (type: number, bytes: Buffer, start: number, end: number): boolean => {
    if (type === MESSAGE_TYPE.copyData) {
      if (this.#failed) return true;
      if (bytes[end - 1] === NEWLINE && this.#part === undefined) this.#handler.row(bytes, start, end);
      else this.#gather(bytes.subarray(start, end));
      return true;
    }
    if (type === MESSAGE_TYPE.copyDone) return false;
    if (type !== MESSAGE_TYPE.error) return true; // the beginning of the copy, notices, parameters
    this.#last = bytes.subarray(start - MESSAGE_HEADER, end);
    return false;
  };

  #gather(piece: Buffer): void {
    const row = Buffer.concat([this.#part ?? NOTHING, piece]);
    this.#part = row.at(-1) === NEWLINE ? undefined : row;
    if (this.#part === undefined) this.#handler.row(row, 0, row.length);
  }

  #wait(room: Promise<void> | undefined): void {
    if (room === undefined || this.#failed) return;
    const socket = this.#socket;
    socket?.pause();
    room.then(
      () => socket?.resume(),
      (error: unknown) => this.fail(error),
    );
  }

  /** Gives the connection back with what is not read yet. */
  #detach(): void {
    const [socket, driver] = [this.#socket, this.#driver];
    if (socket === undefined || driver === undefined) return;
    this.#driver = undefined;
    socket.off('data', this.#onData);
    socket.on('data', driver);
    const rest = Buffer.concat([this.#last, this.#frames.takeRest()]);
    if (rest.length > 0) driver(rest);
  }
}
