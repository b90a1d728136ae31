// The sockets REST is served on. They are bound before the worker has read its topics, so that ports that are taken are
// told at once and the address of port 0 is known; until there is somebody to answer, every request is told to wait.
import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Logger, messageOf } from '@millrace/foundation';
import type { RestListener, RestTls } from '../config/rest-config.ts';
import { connectError } from '../errors.ts';
import { errorBody } from './http.ts';

const KEEP_ALIVE_MS = 72_000;

const STARTING: RequestListener = (_request, answer) => {
  const body = errorBody(503, 'Worker is still starting up.');
  answer.writeHead(503, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  answer.end(body);
};

export class RestListeners implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly #bound: RestListener[] = [];
  readonly #logger: Logger;
  #answer: RequestListener = STARTING;

  private constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Binds all of them. @throws connect.rest_address that names `key` when one cannot be */
  static async open(
    key: string,
    listeners: readonly RestListener[],
    tls: RestTls | null,
    logger: Logger,
  ): Promise<RestListeners> {
    const opened = new RestListeners(logger);
    try {
      for (const listener of listeners) await opened.#listen(key, listener, tls);
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
    return opened;
  }

  /** With the ports that were taken, in the order of the config. */
  get bound(): readonly RestListener[] {
    return this.#bound;
  }

  /** From now on requests are answered so. */
  serve(answer: RequestListener): void {
    this.#answer = answer;
  }

  async #listen(key: string, listener: RestListener, tls: RestTls | null): Promise<void> {
    const answer: RequestListener = (request, response) => this.#answer(request, response);
    const options = { keepAliveTimeout: KEEP_ALIVE_MS };
    const server =
      listener.protocol === 'http' || tls === null
        ? createHttp(options, answer)
        : createHttps(
            {
              ...options,
              ...tls.context,
              requestCert: tls.clientAuth !== 'none',
              rejectUnauthorized: tls.clientAuth === 'required',
            },
            answer,
          );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const { host, port } = listener;
      if (host === '') server.listen(port, resolve);
      else server.listen(port, host, resolve);
    }).catch((error: unknown) => {
      const text = `${listener.protocol}://${listener.host}:${listener.port}`;
      throw connectError('connect.rest_address', `${key}: cannot listen on ${text}: ${messageOf(error)}`, {
        configKey: key,
      });
    });
    server.removeAllListeners('error');
    // Such as no file descriptors left for a connection: that one is lost, the listener goes on.
    server.on('error', (error) => this.#logger.warn({ err: error, listener: key }, 'a connection was lost'));
    this.#servers.push(server);
    this.#bound.push({ ...listener, port: (server.address() as AddressInfo).port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      ),
    );
  }
}
