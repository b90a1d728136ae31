// A bare Kafka client for tests of the broker: any request, in any order, on one connection.
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import {
  API,
  type ApiName,
  decodeResponse,
  type Encodable,
  encodeRequest,
  FrameReader,
  type RequestBody,
  type ResponseBody,
} from '@millrace/kafka-protocol';
import { batchOf, type TestBatch } from './test-log.ts';

type Key<N extends ApiName> = (typeof API)[N];

interface Waiting {
  readonly key: number;
  readonly version: number;
  readonly resolve: (body: never) => void;
  readonly reject: (error: Error) => void;
}

export class TestClient implements AsyncDisposable {
  readonly socket: Socket;
  readonly #waiting: Waiting[] = [];
  #correlationId = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    const frames = new FrameReader({
      minBytes: 0,
      maxBytes: 1 << 30,
      refuse: (length) => new Error(`a frame of ${length} bytes`),
    });
    socket.on('data', (chunk: Buffer) => frames.push(chunk, (frame) => this.#receive(frame)));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const waiting of this.#waiting.splice(0)) waiting.reject(new Error('the connection was closed'));
    });
  }

  /** Connects; over TLS when its options are given. */
  static connect(port: number, tls?: TlsOptions): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      const done = (): void => resolve(new TestClient(socket));
      const socket = tls
        ? connectTls({ ...tls, host: '127.0.0.1', port }, done)
        : connect(port, '127.0.0.1', done);
      socket.once('error', reject);
    });
  }

  /** Logs in by PLAIN; the error code. */
  async login(user: string, password: string): Promise<number> {
    await this.send('SaslHandshake', 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from(`\0${user}\0${password}`);
    return (await this.send('SaslAuthenticate', 2, { authBytes })).errorCode;
  }

  /** Resolves once the broker has closed the connection. */
  async closed(): Promise<void> {
    if (this.socket.closed) return;
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
    });
  }

  /** Sends a request; rejects when the connection is closed before the answer. */
  send<N extends ApiName>(
    api: N,
    version: number,
    body: Encodable<RequestBody<Key<N>>>,
  ): Promise<ResponseBody<Key<N>>> {
    const key: Key<N> = API[api];
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) {
        reject(new Error('the connection was closed'));
        return;
      }
      this.#waiting.push({ key, version, resolve: resolve as (value: never) => void, reject });
      for (const chunk of encodeRequest(key, version, ++this.#correlationId, 'test', body))
        this.socket.write(chunk);
    });
  }

  /** Produces one batch; the base offset, or the error code as a thrown text. */
  async produce(topic: string, partition: number, batch: TestBatch, acks: number = -1): Promise<number> {
    const partitionData = [{ index: partition, records: batchOf(batch) }];
    const answer = await this.send('Produce', 9, {
      acks,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData }],
    });
    const result = answer.responses[0]?.partitionResponses[0];
    if (!result || result.errorCode !== 0) throw new Error(`produce answered ${result?.errorCode}`);
    return Number(result.baseOffset);
  }

  /** Fetches the visible records' bytes of one partition. */
  async fetch(topic: string, partition: number, offset: number, maxWaitMs: number = 0): Promise<Buffer> {
    const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: 1 << 20 }];
    const answer = await this.send('Fetch', 12, {
      replicaId: -1,
      maxWaitMs,
      minBytes: 1,
      maxBytes: 1 << 20,
      sessionEpoch: -1,
      topics: [{ topic, partitions }],
    });
    const result = answer.responses[0]?.partitions[0];
    if (!result || result.errorCode !== 0) throw new Error(`fetch answered ${result?.errorCode}`);
    return result.records ?? Buffer.alloc(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }

  #receive(frame: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(decodeResponse(waiting.key, waiting.version, frame).body as never);
  }
}
