// Cuts the bytes of a connection into backend messages without copying: type, length and body in place. Only a message
// that crosses the border of two chunks is put together in a buffer of its own.
//
//   message: type:1 length:4 (counts itself) body
import { largeBuffer } from '@millrace/foundation';
import { postgresError } from '../errors.ts';

/** The server's own limit for a message is 1 GB; a length beyond it is garbage. */
const MAX_MESSAGE = 0x40000000;
/** Bytes before the body of a message. */
export const MESSAGE_HEADER = 5;
/** Types of messages of the server. */
export const MESSAGE_TYPE = {
  copyData: 0x64,
  copyBoth: 0x57,
  copyDone: 0x63,
  error: 0x45,
  notice: 0x4e,
} as const;

const NOTHING = Buffer.alloc(0);

/** Receives a message's body as `bytes[start, end)`. Returns false to stop; the message counts as taken. */
export type MessageHandler = (type: number, bytes: Buffer, start: number, end: number) => boolean;

/**
 * Holds what has arrived and not been handled. Chunks must never change after they were pushed: rows point into them.
 */
export class FrameReader {
  #chunks: Buffer[] = [];
  /** Of the first chunk. */
  #at = 0;
  #available = 0;
  /** A message that ends in a later chunk. Its bytes move here as they come: a long one keeps no chunks. */
  #whole: Buffer | undefined;
  #filled = 0;

  /** Bytes pushed and not handled yet. */
  get pending(): number {
    return this.#available + (this.#whole === undefined ? 0 : this.#filled);
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** What was not handled, for another reader. */
  takeRest(): Buffer {
    const begun = this.#whole?.subarray(0, this.#filled) ?? NOTHING;
    const [first = NOTHING, ...others] = this.#chunks;
    const rest = Buffer.concat([begun, first.subarray(this.#at), ...others]);
    this.#whole = undefined;
    this.#chunks = [];
    this.#at = 0;
    this.#available = 0;
    return rest;
  }

  /** Hands over complete messages until there are none or the handler returns false; false if it did. */
  drain(handle: MessageHandler): boolean {
    for (;;) {
      if (this.#whole !== undefined) {
        const whole = this.#fill(this.#whole);
        if (whole === undefined) return true;
        if (!handle(whole[0] ?? 0, whole, MESSAGE_HEADER, whole.length)) return false;
      }
      const chunk = this.#chunks[0];
      if (chunk === undefined) return true;
      let at = this.#at;
      const { length } = chunk;
      while (at + MESSAGE_HEADER <= length) {
        const end = at + 1 + lengthAt(chunk, at + 1);
        if (end > length) break;
        const type = chunk[at] ?? 0;
        const go = handle(type, chunk, at + MESSAGE_HEADER, end);
        at = end;
        if (!go) {
          this.#consume(at);
          return false;
        }
      }
      this.#consume(at);
      if (at === length) continue;
      if (!this.#begin()) return true;
    }
  }

  /** Marks the first chunk as read up to `at`. */
  #consume(at: number): void {
    this.#available -= at - this.#at;
    this.#at = at;
    if (at === this.#chunks[0]?.length) {
      this.#chunks.shift();
      this.#at = 0;
    }
  }

  /** Makes room for the message that begins in the first chunk; false while its length is not there. */
  #begin(): boolean {
    if (this.#available < MESSAGE_HEADER) return false;
    this.#whole = largeBuffer(1 + lengthAt(this.#header(), 1));
    this.#filled = 0;
    return true;
  }

  /** Moves what has arrived of a message; returns it once it is whole. */
  #fill(whole: Buffer): Buffer | undefined {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const taken = chunk.copy(whole, this.#filled, this.#at);
      this.#filled += taken;
      this.#consume(this.#at + taken);
      if (this.#filled < whole.length) continue;
      this.#whole = undefined;
      return whole;
    }
  }

  #header(): Buffer {
    const copy = Buffer.allocUnsafe(MESSAGE_HEADER);
    let filled = 0;
    for (let i = 0; filled < MESSAGE_HEADER; i++) {
      const chunk = this.#chunks[i];
      if (chunk === undefined) break;
      filled += chunk.copy(copy, filled, i === 0 ? this.#at : 0);
    }
    return copy;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length =
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0);
  if (length < 4 || length > MAX_MESSAGE) {
    throw postgresError('postgres.protocol', `The server sent a message of impossible length ${length}`);
  }
  return length;
}
