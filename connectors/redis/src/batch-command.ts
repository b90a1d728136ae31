// One script call as the bytes that go over the wire: a batch has thousands of arguments, so they are encoded straight
// into one buffer instead of passing through the client's argument lists. Layout of the arguments: script.ts.
// Protocol: RESP, https://redis.io/docs/latest/develop/reference/protocol-spec/
import { createHash } from 'node:crypto';
import { ByteWriter } from '@millrace/data';
import { Command } from 'ioredis';
import type { Write } from './mapping.ts';
import { FENCE_PREFIX, fenceKey, WRITE_BATCH } from './script.ts';

/** How far a partition gets with a batch. */
export interface MarkerMove {
  readonly lineage: string;
  /** What Redis has to hold; '' = anything. */
  readonly expected: string;
  readonly next: number;
  readonly key: string;
}

export interface BatchSettings {
  readonly ttlMs: number;
  readonly fenceTtlMs: number;
  readonly streamMaxLength: number;
}

/** A command whose bytes are ready. They must not change before it is answered. */
class EncodedCommand extends Command {
  readonly #bytes: Buffer;
  constructor(name: string, bytes: Buffer) {
    super(name, [], { replyEncoding: 'utf8' });
    this.#bytes = bytes;
  }
  override toWritable(): Buffer {
    return this.#bytes;
  }
}

const SHA = createHash('sha1').update(WRITE_BATCH).digest('hex');
const FENCE_START = Buffer.from(FENCE_PREFIX, 'latin1');
const PRESENT = Buffer.from('+', 'latin1');
const ABSENT = Buffer.from('-', 'latin1');
const EMPTY = Buffer.alloc(0);
/** The runs, two counts, two lifetimes, the stream length. */
const FIXED_ARGUMENTS = 6;

/** Consecutive writes that differ in key, offset and values only. */
interface Run {
  readonly kind: Write['kind'];
  /** Index of the marker, from 1; 0 = none. */
  readonly marker: number;
  readonly valueCount: number;
  count: number;
}

/** Encodes batches, one after the other, each into memory of its own. */
export class BatchCommand {
  readonly #out: ByteWriter;
  /** The command without its name and the script. */
  #argumentsStart = 0;
  #argumentCount = 0;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  /** Encodes a batch. `markerOf` gives the index of a write's marker, from 1; 0 = none. */
  encode(
    writes: readonly Write[],
    markers: readonly MarkerMove[],
    markerOf: (write: Write) => number,
    settings: BatchSettings,
  ): void {
    const out = this.#out;
    const runs = runsOf(writes, markerOf);
    let values = 0;
    for (const run of runs) values += run.count * (1 + run.valueCount);
    const keyCount = 2 * writes.length + markers.length;
    this.#argumentCount = 3 + keyCount + FIXED_ARGUMENTS + 3 * markers.length + values;
    out.reset();
    writeHead(out, this.#argumentCount, 'EVALSHA', SHA);
    this.#argumentsStart = out.position;
    writeNumber(out, keyCount);
    for (const write of writes) writeKeys(out, write);
    for (const marker of markers) writeText(out, marker.key);
    writeText(out, runs.map((run) => `${run.kind} ${run.marker} ${run.valueCount} ${run.count}`).join(' '));
    writeNumber(out, writes.length);
    writeNumber(out, markers.length);
    writeNumber(out, settings.fenceTtlMs);
    writeNumber(out, settings.ttlMs);
    writeNumber(out, settings.streamMaxLength);
    for (const marker of markers) {
      writeText(out, marker.lineage);
      writeText(out, marker.expected);
      writeNumber(out, marker.next);
    }
    for (const write of writes) writeContent(out, write);
  }

  /** The call by the script's digest. */
  byDigest(): Command {
    const { buffer, position } = this.#out;
    return new EncodedCommand('evalsha', buffer.subarray(0, position));
  }

  /** The call with the script itself, for a server that does not know it yet. */
  withScript(): Command {
    const head = new ByteWriter(WRITE_BATCH.length + 64);
    writeHead(head, this.#argumentCount, 'EVAL', WRITE_BATCH);
    const { buffer, position } = this.#out;
    const rest = buffer.subarray(this.#argumentsStart, position);
    return new EncodedCommand('eval', Buffer.concat([head.copyFrom(), rest]));
  }
}

function runsOf(writes: readonly Write[], markerOf: (write: Write) => number): Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  for (const write of writes) {
    const { kind } = write;
    const marker = markerOf(write);
    const valueCount = isHash(write) ? (write.values.length / 2) * 3 : write.values.length;
    if (run?.kind === kind && run.marker === marker && run.valueCount === valueCount) run.count++;
    else {
      run = { kind, marker, valueCount, count: 1 };
      runs.push(run);
    }
  }
  return runs;
}

function isHash({ kind }: Write): boolean {
  return kind === 'replace' || kind === 'merge';
}

/** The data key and the fence key. */
function writeKeys(out: ByteWriter, write: Write): void {
  const { key } = write;
  const { topic, partition } = write.record.original;
  // Many partitions may append to one stream, so there the order is kept for each.
  const suffix = write.kind === 'append' ? `:${topic}:${partition}` : '';
  const size = writeText(out, key);
  if (suffix !== '' || key.includes('{')) {
    writeText(out, fenceKey(key, suffix));
    return;
  }
  // The same as fenceKey makes, from the bytes that were just written.
  const end = out.position - 2;
  writeLength(out, FENCE_START.length + size + 1);
  out.bytes(FENCE_START);
  out.reserve(size);
  out.range(out.buffer, end - size, end);
  out.byte(0x7d);
  writeLineEnd(out);
}

function writeContent(out: ByteWriter, write: Write): void {
  writeNumber(out, write.record.original.offset);
  const { values } = write;
  if (isHash(write)) {
    for (let i = 0; i < values.length; i += 2) {
      const value = values[i + 1] ?? null;
      writeBulk(out, value === null ? ABSENT : PRESENT);
      writeValue(out, values[i] ?? EMPTY);
      writeValue(out, value ?? EMPTY);
    }
  } else for (const value of values) writeValue(out, value ?? EMPTY);
}

function writeHead(out: ByteWriter, argumentCount: number, name: string, script: string): void {
  out.byte(0x2a);
  out.integer(argumentCount);
  writeLineEnd(out);
  writeText(out, name);
  writeText(out, script);
}

function writeValue(out: ByteWriter, value: Buffer | string): void {
  if (typeof value === 'string') writeText(out, value);
  else writeBulk(out, value);
}

function writeBulk(out: ByteWriter, bytes: Uint8Array): void {
  writeLength(out, bytes.length);
  out.bytes(bytes);
  writeLineEnd(out);
}

const SHORT_TEXT = 128;

/** Returns its length in bytes. */
function writeText(out: ByteWriter, text: string): number {
  const start = out.position;
  let size = text.length;
  writeLength(out, size);
  if (size > SHORT_TEXT || !writeAscii(out, text)) {
    out.position = start;
    size = Buffer.byteLength(text);
    writeLength(out, size);
    out.utf8(text);
  }
  writeLineEnd(out);
  return size;
}

/** False, having written nothing, for any other text. */
function writeAscii(out: ByteWriter, text: string): boolean {
  const { length } = text;
  out.reserve(length);
  const { buffer } = out;
  let at = out.position;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    buffer[at++] = code;
  }
  out.position = at;
  return true;
}

/** A number as an argument. */
function writeNumber(out: ByteWriter, value: number): void {
  writeLength(out, digitsOf(value));
  out.integer(value);
  writeLineEnd(out);
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

function writeLength(out: ByteWriter, length: number): void {
  out.byte(0x24);
  out.integer(length);
  writeLineEnd(out);
}

function writeLineEnd(out: ByteWriter): void {
  out.reserve(2);
  out.buffer[out.position++] = 0x0d;
  out.buffer[out.position++] = 0x0a;
}
