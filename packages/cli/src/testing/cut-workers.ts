// Workers of one group whose network a test breaks: each reaches the broker, and is reached by the others, only through
// proxies of its own. The test itself reaches them directly.
import { freePort } from '@millrace/local-servers';
import { type MillraceProcess, startMillrace, TcpProxy } from '@millrace/testkit';
import type { BrokerBehindProxies } from './proxied-broker.ts';
import type { GroupWorker, Properties } from './workers.ts';

/** How a network breaks. */
export const BREAKS = {
  /** Nothing arrives, and all of it does later: a cable is pulled. */
  hang: (way: TcpProxy) => way.hang(),
  /** The worker is heard and hears nothing. */
  'hang of answers': (way: TcpProxy) => way.hang('server'),
  /** Nothing arrives, and connections never come back. */
  swallow: (way: TcpProxy) => way.swallow(),
  /** Connections break, and no new one opens. */
  reset: (way: TcpProxy) => way.refuse(),
  /** Little arrives. */
  slowness: (way: TcpProxy) => way.slow(20_000),
} as const;
export type Break = keyof typeof BREAKS;

export class CutWorker implements AsyncDisposable {
  readonly process: MillraceProcess;
  /** As the others know it. */
  readonly known: GroupWorker;
  /** From it to the broker, and from the others to it. */
  readonly #ways: readonly TcpProxy[];
  readonly #rest: TcpProxy;

  private constructor(process: MillraceProcess, broker: TcpProxy, rest: TcpProxy) {
    this.process = process;
    this.#ways = [broker, rest];
    this.#rest = rest;
    this.known = {
      rest: `http://127.0.0.1:${rest.port}`,
      request: (method, target, body) => process.request(method, target, body),
      get running() {
        return process.running;
      },
      get logs() {
        return process.logs;
      },
    };
  }

  static async start(way: TcpProxy, properties: Properties): Promise<CutWorker> {
    const port = await freePort();
    const rest = await TcpProxy.start({ host: '127.0.0.1', port });
    const process = await startMillrace({
      bootstrapServers: `127.0.0.1:${way.port}`,
      properties: {
        ...properties,
        listeners: `http://127.0.0.1:${port}`,
        'rest.advertised.port': String(rest.port),
      },
    });
    return new CutWorker(process, way, rest);
  }

  cut(how: Break): void {
    for (const way of this.#ways) BREAKS[how](way);
  }
  heal(): void {
    for (const way of this.#ways) way.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await this.#rest[Symbol.asyncDispose]();
  }
}

/** Workers of one group; they end with it. */
export class CutWorkers implements AsyncDisposable {
  readonly all: CutWorker[] = [];

  async start(broker: BrokerBehindProxies, properties: Properties): Promise<CutWorker[]> {
    const starting = broker.proxies.map((way) => CutWorker.start(way, properties));
    this.all.push(...(await Promise.all(starting)));
    return this.all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((worker) => worker[Symbol.asyncDispose]()));
  }
}
