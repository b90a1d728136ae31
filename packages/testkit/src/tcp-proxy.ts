// A TCP proxy between a client and a server, through which a test breaks their connections.
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Forwards a free local port to a target until told otherwise. */
export class TcpProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #hanging = false;
  #refusing = false;

  private constructor(listener: Server) {
    this.#listener = listener;
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const listener = createServer();
    const proxy = new TcpProxy(listener);
    listener.on('connection', (client) => proxy.#join(client, connect(target.port, target.host)));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#listener.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }
  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection with a reset. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Bytes stop in both directions, and nobody is told: as when a cable is pulled. */
  hang(): void {
    this.#hanging = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** New connections are reset at once, until `resume`. */
  refuse(): void {
    this.#refusing = true;
    this.reset();
  }

  /** Bytes flow again. */
  resume(): void {
    this.#hanging = false;
    this.#refusing = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  #join(client: Socket, server: Socket): void {
    const pair = { client, server };
    this.#pairs.add(pair);
    const forward = (from: Socket, to: Socket): void => {
      from.on('data', (chunk) => {
        if (to.write(chunk)) return;
        from.pause();
        to.once('drain', () => {
          if (!this.#hanging) from.resume();
        });
      });
      from.once('end', () => to.end());
      from.on('error', () => to.destroy());
      from.once('close', () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    };
    forward(client, server);
    forward(server, client);
    if (this.#refusing) client.resetAndDestroy();
    if (this.#hanging) {
      client.pause();
      server.pause();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }
}
