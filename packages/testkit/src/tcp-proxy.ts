// A TCP proxy between a client and a server, through which a test breaks and slows their connections.
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Side = 'client' | 'server';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Whether the client has sent what the cut waits for. */
  isCounted: boolean;
  counted: number;
  /** Whether what is sent is lost, an end too. */
  isForgotten: boolean;
}

/** Where a connection is to break. */
export interface Cut {
  /** Whose bytes are counted. */
  readonly from: Side;
  /** So many bytes still arrive. */
  readonly after: number;
  /** Counting begins with the chunk in which the client sends this; otherwise with the first byte from now on. */
  readonly since?: string;
}

/** Forwards a free local port to a target until told otherwise. */
export class TcpProxy implements AsyncDisposable {
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  readonly #hanging = new Set<Side>();
  #refusing = false;
  #swallowing = false;
  #cut: Cut | undefined;
  #bytesPerSecond = Number.POSITIVE_INFINITY;

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

  /** Bytes stop, in both directions or from one side, and nobody is told: as when a cable is pulled. */
  hang(from?: Side): void {
    for (const side of from === undefined ? (['client', 'server'] as const) : [from]) {
      this.#hanging.add(side);
      for (const pair of this.#pairs) pair[side].pause();
    }
  }

  /**
   * What is sent is lost, in both directions, and nobody is told. Connections that are open now or open meanwhile stay
   * so after `resume`: as behind a firewall that has forgotten them.
   */
  swallow(): void {
    this.#swallowing = true;
    for (const pair of this.#pairs) pair.isForgotten = true;
  }

  /** New connections are reset at once, until `resume`. */
  refuse(): void {
    this.#refusing = true;
    this.reset();
  }

  /** Bytes flow again, at full speed, and nothing is cut. */
  resume(): void {
    this.#hanging.clear();
    this.#refusing = false;
    this.#swallowing = false;
    this.#cut = undefined;
    this.#bytesPerSecond = Number.POSITIVE_INFINITY;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** The first connection that gets as far is closed there; the others stay. Another call takes the place of this one. */
  cutAfter(cut: Cut): void {
    this.#cut = cut;
    for (const pair of this.#pairs) {
      pair.isCounted = cut.since === undefined;
      pair.counted = 0;
    }
  }
  /** Whether a cut has yet to come. */
  get isCutting(): boolean {
    return this.#cut !== undefined;
  }

  /** No connection and direction passes more than that, until `resume`. */
  slow(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  #join(client: Socket, server: Socket): void {
    const isCounted = this.#cut?.since === undefined;
    const pair = { client, server, isCounted, counted: 0, isForgotten: this.#swallowing };
    this.#pairs.add(pair);
    this.#forward(pair, 'client', 'server');
    this.#forward(pair, 'server', 'client');
    if (this.#refusing) client.resetAndDestroy();
    for (const side of this.#hanging) pair[side].pause();
  }

  #forward(pair: Pair, side: Side, other: Side): void {
    const from = pair[side];
    const to = pair[other];
    const goOn = (): void => {
      if (!this.#hanging.has(side)) from.resume();
    };
    from.on('data', (chunk) => {
      if (pair.isForgotten) return;
      const rest = this.#untilCut(pair, side, chunk);
      if (rest !== undefined) {
        to.end(chunk.subarray(0, rest));
        from.destroy();
        return;
      }
      const hasRoom = to.write(chunk);
      const pauseMs = (1000 * chunk.length) / this.#bytesPerSecond;
      if (hasRoom && pauseMs < 1) return;
      from.pause();
      if (!hasRoom) to.once('drain', goOn);
      else setTimeout(goOn, pauseMs);
    });
    from.once('end', () => {
      if (!pair.isForgotten) to.end();
    });
    from.on('error', () => {
      if (!pair.isForgotten) to.destroy();
    });
    from.once('close', () => {
      if (pair.isForgotten && !to.destroyed) return;
      this.#pairs.delete(pair);
      to.destroySoon();
    });
  }

  /** How much of a chunk still passes when the connection ends in it. */
  #untilCut(pair: Pair, side: Side, chunk: Buffer): number | undefined {
    const cut = this.#cut;
    if (cut === undefined) return undefined;
    if (!pair.isCounted && side === 'client') pair.isCounted = chunk.includes(cut.since ?? '');
    if (!pair.isCounted || side !== cut.from) return undefined;
    const rest = cut.after - pair.counted;
    pair.counted += chunk.length;
    if (pair.counted <= cut.after) return undefined;
    this.#cut = undefined;
    return rest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }
}
