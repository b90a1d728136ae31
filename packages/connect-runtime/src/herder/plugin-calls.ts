// Calls of connectors' own code, which may hang: then nobody waits for it who wants something else of the connector.
import type { Connector } from '@millrace/connect-api';
import type { Clock, RawConfig } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import { untilAborted, within } from '../task/abortable.ts';

export interface PluginCallsOptions {
  readonly clock: Clock;
  /** Whether a connector shall still run with that config. */
  readonly isWanted: (name: string, stored: RawConfig) => boolean;
}

/** How long a connector may take to end, as in Connect. */
const END_TIMEOUT_MS = 5000;

interface Call {
  /** The config at hand. */
  readonly stored: RawConfig;
  readonly giveUp: AbortController;
  /** Its time has begun to run out. */
  hurried: boolean;
  /** Somebody wants the connector anew, whatever its config says. */
  always: boolean;
}

/** At most one call of each connector at a time. */
export class PluginCalls {
  readonly #options: PluginCallsOptions;
  readonly #calls = new Map<string, Call>();

  constructor(options: PluginCallsOptions) {
    this.#options = options;
  }

  /**
   * Waits for a call, for as long as nobody wants anything else of the connector.
   * @throws connect.connector_hangs, and what the call does
   */
  async run<T>(name: string, stored: RawConfig, method: string, work: () => Promise<T>): Promise<T> {
    const call: Call = { stored, giveUp: new AbortController(), hurried: false, always: false };
    this.#calls.set(name, call);
    try {
      const done = await untilAborted(
        work().then((value) => ({ value })),
        call.giveUp.signal,
      );
      if (done) return done.value;
      throw connectError(
        'connect.connector_hangs',
        `The connector ${name} did not come back from ${method} and is given up.`,
      );
    } finally {
      this.#calls.delete(name);
    }
  }

  /** INV-6: something is wanted of a connector. A call at hand has some seconds left where that is something else. */
  hurry(name: string, always = false): void {
    const call = this.#calls.get(name);
    if (!call) return;
    call.always ||= always;
    if (call.hurried) return;
    call.hurried = true;
    const { clock, isWanted } = this.#options;
    void clock.sleep(END_TIMEOUT_MS, call.giveUp.signal).then(() => {
      call.hurried = false;
      if (call.always || !isWanted(name, call.stored)) call.giveUp.abort();
    });
  }

  hurryAll(): void {
    for (const name of this.#calls.keys()) this.hurry(name, true);
  }

  /** Ends a connector. @throws connect.stop_timed_out, and what its `stop` does */
  async end(instance: Connector | null): Promise<void> {
    if (instance) await within(this.#options.clock, END_TIMEOUT_MS, instance.stop());
  }
}
