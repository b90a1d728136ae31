// A proxy between Kafka clients and a broker that knows where requests begin, so that a test can hold back those that
// write, as a network would that is slow in one direction: also when the client that sent them is gone.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { API, decodeRequestHeader } from '@millrace/kafka-protocol';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  unread: Buffer;
  /** Whether requests that write are held back here from the next one on. */
  holds: boolean;
  readonly held: Buffer[];
}

/** Forwards a free local port to a broker on this machine. */
export class KafkaProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #clientIds: RegExp;
  readonly #pairs = new Set<Pair>();
  #target = 0;
  #passed = 0;
  #holdsNew = false;

  private constructor(listener: Server, clientIds: RegExp) {
    this.#listener = listener;
    this.#clientIds = clientIds;
  }

  /** `clientIds` says whose requests it looks at. */
  static async start(clientIds: RegExp): Promise<KafkaProxy> {
    const listener = createServer({ allowHalfOpen: true });
    const proxy = new KafkaProxy(listener, clientIds);
    listener.on('connection', (client) => proxy.#join(client));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#listener.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
  /** Requests that are held back now. */
  get held(): number {
    return [...this.#pairs].reduce((sum, { held }) => sum + held.length, 0);
  }
  /** Requests that write and went through since `hold`. */
  get passed(): number {
    return this.#passed;
  }

  forwardTo(port: number): void {
    this.#target = port;
  }

  /** Holds back what is written on connections that are open now, and on new ones only with `fromStart`. */
  hold(options: { readonly fromStart?: boolean } = {}): void {
    this.#passed = 0;
    this.#holdsNew = options.fromStart === true;
    for (const pair of this.#pairs) pair.holds = true;
  }

  /** What was held goes on to the broker. */
  release(): void {
    this.#holdsNew = false;
    for (const pair of this.#pairs) {
      pair.holds = false;
      for (const frame of pair.held.splice(0)) pair.server.write(frame);
      if (pair.client.destroyed) pair.server.end();
    }
  }

  #join(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair: Pair = { client, server, unread: Buffer.alloc(0), holds: this.#holdsNew, held: [] };
    this.#pairs.add(pair);
    client.on('error', () => undefined);
    server.on('error', () => undefined);
    client.on('data', (chunk) => this.#forward(pair, chunk));
    server.on('data', (chunk) => {
      if (!client.destroyed) client.write(chunk);
    });
    client.on('end', () => client.end());
    // What is held of a client that is gone is still on its way.
    client.on('close', () => {
      if (pair.held.length === 0) server.end();
    });
    server.on('close', () => {
      this.#pairs.delete(pair);
      client.destroy();
    });
  }

  #forward(pair: Pair, chunk: Buffer): void {
    let bytes = pair.unread.length === 0 ? chunk : Buffer.concat([pair.unread, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const frame = bytes.subarray(0, 4 + bytes.readUInt32BE(0));
      bytes = bytes.subarray(frame.length);
      const writes = this.#writes(frame);
      if (pair.holds && (writes || pair.held.length > 0)) pair.held.push(Buffer.from(frame));
      else {
        if (writes) this.#passed++;
        pair.server.write(Buffer.from(frame));
      }
    }
    pair.unread = Buffer.from(bytes);
  }

  #writes(frame: Buffer): boolean {
    const { apiKey, clientId } = decodeRequestHeader(frame.subarray(4));
    return apiKey === API.Produce && this.#clientIds.test(clientId ?? '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }
}
