// The session in which a run asks the catalog. It is opened again where it broke while nothing was asked.
import type pg from 'pg';
import { type ConnectionSettings, openSession } from './connection.ts';

export class CatalogSession {
  readonly #connection: ConnectionSettings;
  readonly #onEnd: () => void;
  #client: pg.Client | undefined;
  #opening: Promise<pg.Client> | undefined;

  /** `onEnd` is told of each session that ends while it is in use. */
  constructor(connection: ConnectionSettings, onEnd: () => void) {
    this.#connection = connection;
    this.#onEnd = onEnd;
  }

  async client(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    // Two that find none share the one that is opened.
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return await this.#opening;
  }

  /** The session, if there is one or one is being opened. */
  async current(): Promise<pg.Client | undefined> {
    await this.#opening?.catch(() => undefined);
    return this.#client;
  }

  async #open(): Promise<pg.Client> {
    const client = await openSession(this.#connection);
    client.once('end', () => {
      if (this.#client !== client) return;
      this.#client = undefined;
      this.#onEnd();
    });
    this.#client = client;
    return client;
  }
}
