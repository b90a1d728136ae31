// A client that costs next to nothing: requests encoded beforehand, answers counted and not decoded.
import { connect, type Socket } from 'node:net';
import { API, type Body, encodeRequest, simpleBatch } from '@millrace/kafka-protocol';

/** Counts frames by their lengths alone. */
export class FrameCounter {
  #head = Buffer.alloc(4);
  #headFilled = 0;
  #left = 0;

  push(chunk: Buffer): number {
    let frames = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - at);
        this.#left -= skipped;
        at += skipped;
        if (this.#left === 0) frames++;
        continue;
      }
      this.#head[this.#headFilled++] = chunk[at++] ?? 0;
      if (this.#headFilled < 4) continue;
      this.#headFilled = 0;
      this.#left = this.#head.readInt32BE(0);
    }
    return frames;
  }
}

export class RawClient {
  readonly #socket: Socket;
  readonly #counter = new FrameCounter();
  #answered = 0;
  #wake: (() => void) | undefined;
  bytesRead = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.bytesRead += chunk.length;
      this.#answered += this.#counter.push(chunk);
      this.#wake?.();
    });
    socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Sends `count` requests, at most `window` of them unanswered; resolves when all are answered. */
  async run(request: (index: number) => Buffer, count: number, window: number): Promise<void> {
    const first = this.#answered;
    let sent = 0;
    while (this.#answered - first < count) {
      const due = Math.min(count, this.#answered - first + window);
      if (sent < due) {
        this.#socket.cork();
        for (; sent < due; sent++) this.#socket.write(request(sent));
        this.#socket.uncork();
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Milliseconds of one request. */
  async time(request: Buffer): Promise<number> {
    const start = performance.now();
    await this.run(() => request, 1, 1);
    return performance.now() - start;
  }

  close(): void {
    this.#socket.destroy();
  }
}

function frame(key: number, version: number, body: object): Buffer {
  return Buffer.concat(encodeRequest(key, version, 1, 'bench', body as Body));
}

/** A Produce of one batch of `records` values of `size` bytes, acks=all. */
export function produceRequest(topic: string, partition: number, records: number, size: number): Buffer {
  const value = Buffer.alloc(size, 120);
  const batch = simpleBatch(Array.from({ length: records }, () => ({ key: null, value, timestamp: 1 })));
  const topicData = [{ name: topic, partitionData: [{ index: partition, records: batch }] }];
  return frame(API.Produce, 9, { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData });
}

/** A Fetch of one partition from `offset` on. */
export function fetchRequest(topic: string, offset: number, maxBytes: number, maxWaitMs: number): Buffer {
  const partition = {
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: offset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: maxBytes,
  };
  return frame(API.Fetch, 12, {
    replicaId: -1,
    maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic, partitions: [partition] }],
    forgottenTopicsData: [],
    rackId: '',
  });
}

/** The smallest request there is. */
export function pingRequest(): Buffer {
  return frame(API.ApiVersions, 0, {});
}
