// A Kafka listener that a test scripts: for faults that a real broker cannot be made to show on demand.
import { createServer, type Server, type Socket } from 'node:net';
import { silentLogger, systemClock } from '@millrace/foundation';
import {
  API,
  apiSpec,
  decodeRequestBody,
  decodeRequestHeader,
  encodeResponse,
  FrameReader,
  type RequestBody,
} from '@millrace/kafka-protocol';
import { Cluster, type ClusterOptions } from '../cluster.ts';

/** What to do about a request: the body of the answer, no answer at all, or an end of the connection. */
export type Reaction = object | 'silence' | 'close';
export type Handler<K extends number> = (
  body: RequestBody<K>,
  connection: { readonly id: number; readonly version: number; readonly clientId: string | null },
) => Reaction | Promise<Reaction>;

/** One broker, node 0. Handlers are replaced at any time; requests of one connection are handled one by one. */
export class ScriptedBroker implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Map<Socket, number>();
  readonly #handlers = new Map<number, Handler<number>>();
  readonly #clusters: Cluster[] = [];
  /** Keys of the requests seen. */
  readonly seen: number[] = [];
  topics: Record<string, number> = {};
  #connectionCount = 0;

  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
    this.on(API.ApiVersions, () => ({
      apiKeys: Object.values(API).map((apiKey) => {
        const spec = apiSpec(apiKey);
        return { apiKey, minVersion: spec?.minVersion ?? 0, maxVersion: spec?.maxVersion ?? 0 };
      }),
    }));
    this.on(API.Metadata, ({ topics }) => ({
      brokers: [{ nodeId: 0, host: '127.0.0.1', port: this.port }],
      controllerId: 0,
      clusterId: 'scripted',
      topics: (topics ?? []).map(({ name }) => ({
        name,
        errorCode: name !== null && this.topics[name] ? 0 : 3,
        partitions: Array.from({ length: this.topics[name ?? ''] ?? 0 }, (_, partitionIndex) => ({
          partitionIndex,
          leaderId: 0,
          leaderEpoch: 0,
        })),
      })),
    }));
    this.on(API.InitProducerId, () => ({ producerId: 4000, producerEpoch: 0 }));
    this.on(API.FindCoordinator, () => ({
      coordinators: [{ key: 'g', nodeId: 0, host: '127.0.0.1', port: this.port }],
      nodeId: 0,
    }));
  }

  static async start(topics: Record<string, number> = {}): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker();
    broker.topics = topics;
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve));
    return broker;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Ids of the connections that are open. */
  get connections(): number[] {
    return [...this.#sockets.values()];
  }

  /** Replaces the handler of an API. */
  on<K extends number>(key: K, handler: Handler<K>): void {
    this.#handlers.set(key, handler as Handler<number>);
  }

  /** Ends all connections; new ones are served. */
  disconnectAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** A client of this broker, closed with it. */
  cluster(options: Partial<Omit<ClusterOptions, 'bootstrapServers'>> = {}): Cluster {
    const cluster = new Cluster({
      bootstrapServers: `127.0.0.1:${this.port}`,
      clientId: 'test',
      logger: silentLogger,
      clock: systemClock,
      ...options,
    });
    this.#clusters.push(cluster);
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cluster of this.#clusters) await cluster.close();
    this.disconnectAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    const id = ++this.#connectionCount;
    this.#sockets.set(socket, id);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let queue = Promise.resolve();
    const frames = new FrameReader({
      minBytes: 4,
      maxBytes: 64 * 1024 * 1024,
      refuse: (length) => new Error(`a frame of ${length} bytes`),
    });
    const onFrame = (frame: Buffer): void => {
      const copy = Buffer.from(frame);
      queue = queue.then(() => this.#answer(socket, id, copy));
    };
    socket.on('data', (chunk: Buffer) => frames.push(chunk, onFrame));
  }

  async #answer(socket: Socket, id: number, frame: Buffer): Promise<void> {
    const { apiKey, apiVersion, correlationId, clientId, bodyOffset } = decodeRequestHeader(frame);
    this.seen.push(apiKey);
    const body = decodeRequestBody(apiKey, apiVersion, frame, bodyOffset);
    const handler = this.#handlers.get(apiKey);
    const reaction = handler ? await handler(body, { id, version: apiVersion, clientId }) : 'close';
    if (reaction === 'close') socket.destroy();
    else if (reaction !== 'silence' && !socket.destroyed) {
      const refused = apiKey === API.ApiVersions && (reaction as { errorCode?: number }).errorCode === 35;
      const chunks = encodeResponse(apiKey, refused ? 0 : apiVersion, correlationId, reaction);
      for (const chunk of chunks) socket.write(chunk);
    }
  }
}
