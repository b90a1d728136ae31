// Batches of writes to Redis: order, fencing and progress markers; it knows of no topics' contents and no retries.
import { ByteWriter, type Json, JsonFraction, parseJson, writeString } from '@millrace/data';
import { MillraceError } from '@millrace/foundation';
import type { Redis } from 'ioredis';
import type { RedisConfig } from './config.ts';
import { redisError } from './errors.ts';
import type { Write } from './mapping.ts';
import { fenceKey, markerKey, WRITE_BATCH } from './script.ts';

/** The progress of one topic partition in this Redis. */
export interface Progress {
  readonly topic: string;
  readonly partition: number;
  /** Topic id and partition: what offsets are counted in. */
  readonly lineage: string;
  /** The marker as Redis holds it, as far as we know; '' = not known. */
  marker: string;
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

interface ScriptCommands {
  writeBatch(keyCount: number, ...args: (string | number | Buffer)[]): Promise<readonly unknown[]>;
}

/** Writes for one connector over one connection. */
export class RedisWriter {
  readonly #redis: Redis & ScriptCommands;
  readonly #config: RedisConfig;
  readonly #connector: string;

  constructor(redis: Redis, connector: string, config: RedisConfig) {
    redis.defineCommand('writeBatch', { lua: WRITE_BATCH });
    this.#redis = redis as Redis & ScriptCommands;
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
   * `progress` stand at `next`. @throws MarkerLost with nothing written; redis.* codes
   */
  async write(writes: readonly Write[], progress: ReadonlyMap<Progress, number>): Promise<void> {
    const merged = await this.#fillKept(lastPerKey(writes));
    const keys: string[] = [];
    const values: (string | number | Buffer)[] = [merged.length, progress.size, this.#config.fenceTtlMs];
    for (const [each, next] of progress) values.push(each.lineage, each.marker, next);
    for (const write of merged) this.#addWrite(write, keys, values, progress);
    for (const each of progress.keys()) keys.push(markerKey(this.#connector, each.topic, each.partition));
    let answer: readonly unknown[];
    try {
      answer = await this.#redis.writeBatch(keys.length, ...keys, ...values);
      if (this.#config.waitReplicas > 0) await this.#awaitReplicas();
    } catch (error) {
      throw this.#failure(error);
    }
    const partitions = [...progress.keys()];
    if (String(answer[0]) === 'lost') {
      const lost = partitions[Number(answer[1]) - 1];
      if (lost) throw new MarkerLost(lost, String(answer[2]));
    }
    for (const [each, next] of progress) each.marker = `${each.lineage}:${next}`;
  }

  #addWrite(
    write: Write,
    keys: string[],
    values: (string | number | Buffer)[],
    progress: ReadonlyMap<Progress, number>,
  ): void {
    const { topic, partition, offset } = write.record.original;
    let lineage = '';
    for (const each of progress.keys())
      if (each.topic === topic && each.partition === partition) lineage = each.lineage;
    // Many partitions may append to one stream, so there the order is kept for each.
    keys.push(write.key, fenceKey(write.key, write.kind === 'append' ? `:${topic}:${partition}` : ''));
    const content: (string | Buffer)[] = [];
    if (write.kind === 'replace' || write.kind === 'merge') {
      for (let i = 0; i < write.values.length; i += 2) {
        const name = write.values[i] ?? '';
        const value = write.values[i + 1] ?? null;
        content.push(value === null ? '-' : '+', name, value ?? '');
      }
    } else {
      for (const value of write.values) content.push(value ?? '');
    }
    values.push(
      write.kind,
      lineage,
      offset,
      this.#config.ttlMs,
      this.#config.streamMaxLength,
      content.length,
      ...content,
    );
  }

  /** Documents that lack members the source did not send take those from the stored document. */
  async #fillKept(writes: readonly Write[]): Promise<readonly Write[]> {
    const lacking = writes.filter((write) => write.keep.length > 0);
    if (lacking.length === 0) return writes;
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

/**
 * Of several writes of one key from one partition only the last matters, unless each is an entry of a stream, or a
 * later one builds on an earlier one.
 */
function lastPerKey(writes: readonly Write[]): readonly Write[] {
  const last = new Map<string, number>();
  const builtOn = new Set<string>();
  writes.forEach((write, i) => {
    if (write.kind === 'append') return;
    if (write.kind === 'merge' || write.keep.length > 0) builtOn.add(write.key);
    last.set(write.key, i);
  });
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
