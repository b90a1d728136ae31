// A listening socket and its connections.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type Logger, messageOf } from '@millrace/foundation';
import type { ApiRegistry } from '../api/registry.ts';
import type { Address, BrokerState } from '../broker-state.ts';
import { brokerError } from '../errors.ts';
import type { BrokerMetrics } from '../metrics/broker-metrics.ts';
import { ANONYMOUS } from '../security/acl.ts';
import type { ListenerSecurity, ListenerTls } from '../security/listener-security.ts';
import type { ListenerConfig } from '../server-properties.ts';
import type { AddressLimits } from './address-limits.ts';
import { Connection } from './connection.ts';
import type { FramePool } from './frame-pool.ts';
import { lendReads } from './lent-reads.ts';
import type { YoungCollector } from './young-collector.ts';

export interface ListenerOptions {
  readonly config: ListenerConfig;
  readonly security: ListenerSecurity;
  readonly registry: ApiRegistry;
  readonly logger: Logger;
  readonly maxRequestBytes: number;
  readonly framePool: FramePool;
  readonly youngCollector: YoungCollector;
  readonly metrics: BrokerMetrics;
  readonly maxConnections: number;
  readonly addressLimits: AddressLimits;
  /** How long TLS and login together may take. */
  readonly authenticationMs: number;
  /** A connection on which nothing moves for so long is closed; none or less: never. */
  readonly maxIdleMs: number;
}

const REFUSED = 'a TLS handshake failed';

export class Listener {
  readonly name: string;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** As they came in; under TLS there may be no connection to one yet. */
  readonly #sockets = new Set<Socket>();
  #port: number;
  #broker: BrokerState | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.name = options.config.name;
    this.#port = options.config.bind.port;
    const { tls } = options.security;
    this.#server = tls ? this.#secureServer(tls) : createServer({ noDelay: true, pauseOnConnect: true });
    // Counted from here on, so that those who never finish a TLS handshake count, too.
    this.#server.maxConnections = Math.min(options.maxConnections, 0x7fff_ffff);
    this.#server.on('connection', (socket: Socket) => {
      if (this.#admits(socket) && !tls) this.#acceptPlain(socket);
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
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Counts a connection as it came in; ends it when its address has too many. */
  #admits(socket: Socket): boolean {
    const { addressLimits, metrics, logger } = this.#options;
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      addressLimits.leave(address);
    });
    if (addressLimits.enter(address)) return true;
    metrics.connectionsRefused++;
    const reason = 'it has as many connections as max.connections.per.ip allows';
    logger.info({ client: `/${address}`, listener: this.name, reason }, 'a client was refused');
    socket.destroy();
    return false;
  }

  #secureServer(tls: ListenerTls): Server {
    const { logger, authenticationMs } = this.#options;
    const server = createTlsServer({
      ...tls.context,
      requestCert: tls.clientAuth !== 'none',
      rejectUnauthorized: tls.clientAuth === 'required',
      handshakeTimeout: authenticationMs,
    });
    server.on('secureConnection', (socket) => {
      // A client need not show a certificate where it is only requested; one that it shows must be good.
      if (tls.clientAuth === 'requested' && !socket.authorized && socket.getPeerX509Certificate()) {
        logger.info({ client: socket.remoteAddress, reason: String(socket.authorizationError) }, REFUSED);
        socket.destroy();
        return;
      }
      const connection = this.#accept(socket, tls.principalOf(socket));
      socket.on('data', (chunk: Buffer) => {
        connection?.receive(chunk);
        this.#options.youngCollector.note(chunk.length);
      });
    });
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      logger.info({ client: socket.remoteAddress, reason: messageOf(error) }, REFUSED);
      socket.destroy();
    });
    return server;
  }

  #acceptPlain(accepted: Socket): void {
    let connection: Connection | undefined;
    const socket = lendReads(accepted, {
      receive: (chunk) => connection?.receive(chunk),
      space: () => connection?.space(),
      filled: (bytes) => connection?.filled(bytes),
    });
    connection = this.#accept(socket, ANONYMOUS);
  }

  #accept(socket: Socket, principal: string): Connection | undefined {
    const broker = this.#broker;
    if (!broker) {
      socket.destroy();
      return undefined;
    }
    const connection = new Connection({
      ...this.#options,
      socket,
      broker,
      listener: this.name,
      principal,
      sasl: this.#options.security.sasl,
    });
    this.#connections.add(connection);
    this.#options.metrics.connectionsOpened++;
    socket.on('close', () => this.#connections.delete(connection));
    return connection;
  }
}
