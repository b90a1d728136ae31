// REST as a worker has it: its listeners, the API on them and on those of the administrator, and what other workers are
// told of it.
import type { Clock, Logger } from '@millrace/foundation';
import { type RestConfig, type RestListener, type RestTls, urlHost } from '../config/rest-config.ts';
import { CrossOrigin } from './cross-origin.ts';
import type { Route } from './http.ts';
import { RestListeners } from './listeners.ts';
import { createRestApp, type RestApp, type RestAppOptions } from './server.ts';
import { type AskWorker, workerClient } from './worker-client.ts';

export interface RestServiceParts {
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface RestServiceRoutes {
  readonly main: readonly Route[];
  readonly admin: readonly Route[];
  readonly gone: RestAppOptions['gone'];
}

export class RestService implements AsyncDisposable {
  /** How this worker asks others. */
  readonly ask: AskWorker;
  readonly #config: RestConfig;
  readonly #parts: RestServiceParts;
  readonly #crossOrigin: CrossOrigin;
  readonly #opened: AsyncDisposable[] = [];
  #main: RestListeners | undefined;
  #admin: RestListeners | undefined;

  constructor(config: RestConfig, parts: RestServiceParts) {
    this.#config = config;
    this.#parts = parts;
    this.ask = workerClient(config.clientTls);
    const { allowOrigins, allowMethods, users } = config;
    this.#crossOrigin = new CrossOrigin({ allowOrigins, allowMethods, hasLogin: users !== null });
  }

  /** Binds the listeners; requests are told to wait until what `prepare` made serves. @throws connect.rest_address */
  async listen(): Promise<void> {
    const { listeners, adminListeners, tls, adminTls } = this.#config;
    this.#main = await this.#open('listeners', listeners, tls);
    if (adminListeners !== null) this.#admin = await this.#open('admin.listeners', adminListeners, adminTls);
  }

  async #open(key: string, listeners: readonly RestListener[], tls: RestTls | null): Promise<RestListeners> {
    const opened = await RestListeners.open(key, listeners, tls, this.#parts.logger);
    this.#opened.push(opened);
    return opened;
  }

  /** Makes what answers, which takes a tenth of a second on a slow machine; resolves with what lets it answer. */
  async prepare(routes: RestServiceRoutes): Promise<() => void> {
    const { adminListeners, headers, users } = this.#config;
    const { gone } = routes;
    const main = adminListeners === null ? [...routes.main, ...routes.admin] : routes.main;
    const app = await this.#app({
      routes: main,
      crossOrigin: this.#crossOrigin,
      headers,
      gone,
      ...(users === null ? {} : { users }),
    });
    // As in Connect, what is asked of an administrator's listener needs no login.
    const admin = adminListeners === null ? undefined : await this.#app({ routes: routes.admin, gone });
    return () => {
      this.#main?.serve(app.answer);
      if (admin) this.#admin?.serve(admin.answer);
    };
  }

  async #app(options: Omit<RestAppOptions, 'logger' | 'clock' | 'ask'>): Promise<RestApp> {
    const app = await createRestApp({ ...options, ...this.#parts, ask: this.ask });
    this.#opened.push(app);
    return app;
  }

  /** The first listener, with the port it has. */
  get first(): RestListener {
    const [first] = this.#bound;
    if (!first) throw new Error('a worker has at least one listener');
    return first;
  }

  /** Where it answers on this machine. */
  get url(): string {
    const { protocol, host, port } = this.first;
    return `${protocol}://${urlHost(host)}:${port}`;
  }

  /** Where other workers reach this one, without a slash at the end. */
  get advertisedUrl(): string {
    return `${this.#config.advertised.protocol}://${this.workerId}`;
  }

  /** The worker's id in statuses: `HOST:PORT` as others reach it. */
  get workerId(): string {
    const { protocol, host, port } = this.#config.advertised;
    const listener = this.#bound.find((one) => one.protocol === protocol) ?? this.first;
    return `${urlHost(host ?? listener.host)}:${port ?? listener.port}`;
  }

  get #bound(): readonly RestListener[] {
    return this.#main?.bound ?? this.#config.listeners;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#opened.splice(0).reverse()) await opened[Symbol.asyncDispose]();
  }
}
