// The end of a connection, for those who do something on its behalf. An AbortSignal says the same, but each has a shape of
// its own to V8, so that asking one of hundreds takes longer than reading the request it was asked for.

export class Ending {
  #hasCome = false;
  readonly #listeners = new Set<() => void>();

  get hasCome(): boolean {
    return this.#hasCome;
  }
  /** Calls `listener` once when the connection ends, unless it is taken back; nothing happens when it has ended before. */
  add(listener: () => void): void {
    if (!this.#hasCome) this.#listeners.add(listener);
  }
  delete(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** The connection ends; calls after the first do nothing. */
  come(): void {
    this.#hasCome = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
