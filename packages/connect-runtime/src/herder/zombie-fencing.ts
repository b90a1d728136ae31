// Makes sure, as leader, that no producer of earlier exactly-once tasks of a connector writes any more before newer ones
// begin (KIP-618). Tasks of one number fence each other by themselves; this is for numbers there are no longer.
import { connectError, JAVA } from '../errors.ts';
import type { ConfigStore } from '../stores/config-store.ts';

export interface ZombieFencingOptions {
  readonly configs: ConfigStore;
  /** Whether a connector is a source. @throws connect.bad_request for a class there is not */
  readonly isSource: (connector: string) => Promise<boolean>;
  /** Fences the producers of the tasks 0 to `count` - 1. */
  readonly fence: (connector: string, count: number) => Promise<void>;
}

export class ZombieFencing {
  readonly #options: ZombieFencingOptions;
  /** Rounds under way: whoever asks meanwhile waits for the same one. */
  readonly #rounds = new Map<string, Promise<void>>();

  constructor(options: ZombieFencingOptions) {
    this.#options = options;
  }

  /** Resolves when no task of an earlier generation can write any more. @throws connect.conflict when there is a newer one */
  async run(connector: string): Promise<void> {
    const { configs, isSource } = this.#options;
    await configs.refresh();
    if (!configs.state.has(connector))
      throw connectError('connect.not_found', `Connector ${connector} not found`);
    if (!(await isSource(connector)))
      throw connectError('connect.bad_request', `Connector ${connector} is not a source connector`);
    await (this.#rounds.get(connector) ?? this.#begin(connector));
  }

  #begin(connector: string): Promise<void> {
    const round = this.#round(connector).finally(() => this.#rounds.delete(connector));
    this.#rounds.set(connector, round);
    return round;
  }

  async #round(connector: string): Promise<void> {
    const { configs, fence } = this.#options;
    const { state } = configs;
    if (!state.needsFencing(connector)) return;
    const generation = state.taskGeneration(connector);
    const tasks = state.tasks(connector).length;
    const before = state.producerCount(connector);
    // Without a count none was ever begun; where one task follows one, its producer has the same id.
    if (before !== undefined && !(before === 1 && tasks === 1)) {
      await fence(connector, before);
      await configs.refresh();
      if (state.taskGeneration(connector) !== generation) {
        throw connectError(
          'connect.conflict',
          'Fencing failed because new task configurations were generated for the connector',
          { javaClass: JAVA.connect },
        );
      }
    }
    await configs.putTasksFencing(connector, tasks);
  }
}
