// How many connections one address may have over all listeners: `max.connections.per.ip`, and for single addresses
// `max.connections.per.ip.overrides` (`ADDRESS:COUNT,...`). Both may change at run time.
import type { BrokerConfig } from '../metadata/broker-config.ts';

export class AddressLimits {
  readonly #config: BrokerConfig;
  readonly #counts = new Map<string, number>();

  constructor(config: BrokerConfig) {
    this.#config = config;
  }

  /** Counts a connection; false when that is one too many. Each is counted out again, refused or not. */
  enter(address: string): boolean {
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, count);
    return count <= this.#limitOf(address);
  }

  leave(address: string): void {
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }

  #limitOf(address: string): number {
    for (const entry of (this.#config.text('max.connections.per.ip.overrides') ?? '').split(',')) {
      const end = entry.lastIndexOf(':');
      if (end > 0 && entry.slice(0, end).trim() === address) return Number(entry.slice(end + 1));
    }
    return this.#config.number('max.connections.per.ip');
  }
}
