// Batches of writes to Redis: order, fencing and progress markers; it knows of no topics' contents and no retries.
import { ByteWriter, type Json, JsonFraction, parseJson, writeString } from '@millrace/data';
import { MillraceError, messageOf } from '@millrace/foundation';
import type { Redis } from 'ioredis';
import { BatchCommand, type MarkerMove } from './batch-command.ts';
import type { RedisConfig } from './config.ts';
import { redisError } from './errors.ts';
import type { Write } from './mapping.ts';
import { markerKey } from './script.ts';

/** The progress of one topic partition in this Redis. */
export interface Progress {
  readonly topic: string;
  readonly partition: number;
  /** Topic id and partition: what offsets are counted in. */
  readonly lineage: string;
  /** The marker as Redis holds it, as far as we know; '' = not known. */
  marker: string;
  /** The marker once everything under way is written. */
  expected: string;
}

/** Redis no longer holds the marker we wrote: `held` is what it has instead, '' for nothing. */
export class MarkerLost extends Error {
  readonly progress: Progress;
  readonly held: string;
  constructor(progress: Progress, held: string) {
    super(`the progress marker of ${progress.topic}-${progress.partition} is gone from Redis`);
    this.progress = progress;
    this.held = held;
  }
}

/** Memory of a batch that is kept for the next. */
const KEPT_BYTES = 2 * 1024 * 1024;
const FIRST_BYTES = 64 * 1024;

/** Writes for one connector over one connection. */
export class RedisWriter {
  readonly #redis: Redis;
  readonly #config: RedisConfig;
  readonly #connector: string;
  /** Encoders whose last command was answered. */
  readonly #idle: ByteWriter[] = [];

  constructor(redis: Redis, connector: string, config: RedisConfig) {
    this.#redis = redis;
    this.#config = config;
    this.#connector = connector;
  }

  /** The markers that Redis holds now, '' where there is none. */
  async readMarkers(partitions: readonly Progress[]): Promise<string[]> {
    if (partitions.length === 0) return [];
    try {
      const held = await this.#redis.mget(
        partitions.map((each) => markerKey(this.#connector, each.topic, each.partition)),
      );
      return held.map((value) => value ?? '');
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * Writes a batch in order. Resolves when Redis (and the replicas asked for) have it; then the markers of
   * `progress` stand at `next`. Further batches may be written before that: they are sent in order, and each finds in
   * Redis the markers that the ones before it leave, or writes nothing. Only a batch in which `needsStored` sees
   * something must be alone. @throws MarkerLost with nothing written; redis.* codes
   */
  async write(writes: readonly Write[], progress: ReadonlyMap<Progress, number>): Promise<void> {
    let merged = lastPerKey(writes);
    if (needsStored(merged)) merged = await this.#fillKept(merged);
    const partitions = [...progress.keys()];
    const markers = partitions.map((each) => this.#moveOf(each, progress.get(each) ?? 0));
    const out = this.#idle.pop() ?? new ByteWriter(FIRST_BYTES);
    const command = new BatchCommand(out);
    command.encode(merged, markers, markerIndex(partitions), this.#config);
    for (const [i, each] of partitions.entries()) each.expected = markerAfter(markers[i]);
    try {
      const answer = await this.#run(command);
      // After an answer the bytes have left; after an error nobody knows, and the memory is not used again.
      if (out.buffer.length <= KEPT_BYTES) this.#idle.push(out);
      if (this.#config.waitReplicas > 0) await this.#awaitReplicas();
      if (String(answer[0]) === 'lost') {
        const lost = partitions[Number(answer[1]) - 1];
        if (lost) throw new MarkerLost(lost, String(answer[2]));
      }
    } catch (error) {
      for (const each of partitions) each.expected = each.marker;
      throw error instanceof MarkerLost ? error : this.#failure(error);
    }
    for (const [i, each] of partitions.entries()) each.marker = markerAfter(markers[i]);
  }

  #moveOf(each: Progress, next: number): MarkerMove {
    const key = markerKey(this.#connector, each.topic, each.partition);
    return { lineage: each.lineage, expected: each.expected, next, key };
  }

  async #run(command: BatchCommand): Promise<readonly unknown[]> {
    try {
      return (await this.#redis.sendCommand(command.byDigest())) as readonly unknown[];
    } catch (error) {
      // Batches that were sent meanwhile get the same answer and follow in the same order.
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
      return (await this.#redis.sendCommand(command.withScript())) as readonly unknown[];
    }
  }

  /** Documents that lack members the source did not send take those from the stored document. */
  async #fillKept(writes: readonly Write[]): Promise<readonly Write[]> {
    const lacking = writes.filter((write) => write.keep.length > 0);
    let stored: (string | null)[];
    try {
      stored = await this.#redis.mget(lacking.map((write) => write.key));
    } catch (error) {
      throw this.#failure(error);
    }
    // In order: a document builds on the latest one of its key in this batch, else on what Redis holds.
    const latest = new Map<string, string | null>(lacking.map((write, i) => [write.key, stored[i] ?? null]));
    return writes.map((write) => {
      const before = latest.get(write.key);
      if (before === undefined) return write;
      const filled =
        write.keep.length === 0 || before === null ? write : { ...write, values: [mergeKept(write, before)] };
      latest.set(write.key, filled.kind === 'set' ? String(filled.values[0] ?? '') : null);
      return filled;
    });
  }

  async #awaitReplicas(): Promise<void> {
    const { waitReplicas, waitTimeoutMs } = this.#config;
    const reached = await this.#redis.wait(waitReplicas, waitTimeoutMs);
    if (reached >= waitReplicas) return;
    throw new MillraceError(
      'redis.not_replicated',
      `${reached} of ${waitReplicas} replicas had the batch after ${waitTimeoutMs} ms`,
    );
  }

  #failure(error: unknown): MillraceError {
    const { host, port } = this.#redis.options;
    return redisError(error, `${host}:${port}`);
  }
}

/** The next offset in a marker of that lineage; undefined when it is of another, or no marker. */
export function markerOffset(marker: string, lineage: string): number | undefined {
  if (!marker.startsWith(`${lineage}:`)) return undefined;
  const offset = Number(marker.slice(lineage.length + 1));
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : undefined;
}

function markerAfter(move: MarkerMove | undefined): string {
  return move ? `${move.lineage}:${move.next}` : '';
}

/** Finds the marker of a write among those of a batch, from 1; 0 = none. */
function markerIndex(partitions: readonly Progress[]): (write: Write) => number {
  let last = 0;
  return ({ record }) => {
    const { topic, partition } = record.original;
    const known = partitions[last - 1];
    if (known?.topic === topic && known.partition === partition) return last;
    last = 1 + partitions.findIndex((each) => each.topic === topic && each.partition === partition);
    return last;
  };
}

/** Whether a batch builds on what Redis holds. */
export function needsStored(writes: readonly Write[]): boolean {
  return writes.some((write) => write.keep.length > 0);
}

/**
 * Of several writes of one key from one partition only the last matters, unless each is an entry of a stream, or a
 * later one builds on an earlier one.
 */
function lastPerKey(writes: readonly Write[]): readonly Write[] {
  const last = new Map<string, number>();
  const builtOn = new Set<string>();
  let appended = 0;
  writes.forEach((write, i) => {
    if (write.kind === 'append') appended++;
    else {
      if (write.kind === 'merge' || write.keep.length > 0) builtOn.add(write.key);
      last.set(write.key, i);
    }
  });
  if (last.size + appended === writes.length) return writes;
  return writes.filter((write, i) => {
    if (write.kind === 'append' || builtOn.has(write.key)) return true;
    const final = writes[last.get(write.key) ?? i];
    return (
      final === write ||
      final?.record.original.topic !== write.record.original.topic ||
      final.record.original.partition !== write.record.original.partition
    );
  });
}

function mergeKept(write: Write, stored: string): Buffer {
  const text = String(write.values[0] ?? '');
  const document = parseJson(text);
  const before = storedDocument(stored);
  if (!(document instanceof Map) || !(before instanceof Map)) return Buffer.from(text);
  for (const name of write.keep) {
    const value = before.get(name);
    if (value !== undefined) document.set(name, value);
  }
  const out = new ByteWriter(256 + text.length * 2);
  writeJson(document, out);
  return out.copyFrom();
}

/** What somebody else stored there may be no JSON: then there is nothing to keep. */
function storedDocument(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Parsed JSON back to bytes, every number as it was written. */
function writeJson(json: Json, out: ByteWriter): void {
  if (json instanceof Map) {
    let separator = 0x7b;
    for (const [name, value] of json) {
      out.byte(separator);
      separator = 0x2c;
      writeString(out, name);
      out.byte(0x3a);
      writeJson(value, out);
    }
    out.ascii(json.size === 0 ? '{}' : '}');
  } else if (Array.isArray(json)) {
    out.byte(0x5b);
    json.forEach((item, i) => {
      if (i > 0) out.byte(0x2c);
      writeJson(item, out);
    });
    out.byte(0x5d);
  } else if (typeof json === 'string') writeString(out, json);
  else out.ascii(json instanceof JsonFraction ? json.text : String(json));
}
