// A listening socket and its connections.
import { createServer, type Server } from 'node:net';
import type { Logger } from '@millrace/foundation';
import type { ApiRegistry } from '../api/registry.ts';
import type { Address, BrokerState } from '../broker-state.ts';
import { brokerError } from '../errors.ts';
import type { BrokerMetrics } from '../metrics/broker-metrics.ts';
import type { ListenerConfig } from '../server-properties.ts';
import { Connection } from './connection.ts';
import type { FramePool } from './frame-pool.ts';
import type { YoungCollector } from './young-collector.ts';

export interface ListenerOptions {
  readonly config: ListenerConfig;
  readonly registry: ApiRegistry;
  readonly logger: Logger;
  readonly maxRequestBytes: number;
  readonly framePool: FramePool;
  readonly youngCollector: YoungCollector;
  readonly metrics: BrokerMetrics;
  readonly maxConnections: number;
}

export class Listener {
  readonly name: string;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #port: number;
  #broker: BrokerState | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.name = options.config.name;
    this.#port = options.config.bind.port;
    this.#server = createServer({ noDelay: true }, (socket) => {
      const broker = this.#broker;
      if (!broker || this.#connections.size >= options.maxConnections) {
        socket.destroy();
        return;
      }
      const connection = new Connection({ ...options, socket, broker, listener: this.name });
      this.#connections.add(connection);
      options.metrics.connectionsOpened++;
      socket.on('close', () => this.#connections.delete(connection));
    });
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#connections.size;
  }
  /** Where it listens; the port is the real one once `listen` has resolved. */
  get bound(): Address {
    return { host: this.#options.config.bind.host, port: this.#port };
  }

  /** What clients of this listener are told; never a wildcard address, which nobody can connect to. */
  get advertised(): Address {
    const { bind, advertised } = this.#options.config;
    if (advertised) return advertised.port === 0 ? { host: advertised.host, port: this.#port } : advertised;
    const isWildcard = bind.host === '' || bind.host === '0.0.0.0' || bind.host === '::';
    return { host: isWildcard ? 'localhost' : bind.host, port: this.#port };
  }

  /** Begins to accept clients. @throws broker.address_in_use */
  listen(broker: BrokerState): Promise<void> {
    this.#broker = broker;
    const { host, port } = this.#options.config.bind;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        reject(
          taken
            ? brokerError(
                'broker.address_in_use',
                `Another program listens on ${host}:${port}.`,
                { port },
                error,
              )
            : error,
        );
      });
      this.#server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
        const address = this.#server.address();
        if (address !== null && typeof address === 'object') this.#port = address.port;
        resolve();
      });
    });
  }

  /** Stops accepting and closes all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.close();
    await closed;
  }
}
