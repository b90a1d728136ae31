// Who may do what in the group: connectors are changed by the leader alone and restarted where they run. What is asked
// of another worker is refused with the place where it belongs, and REST takes it there.
import type { Clock, Logger, RawConfig } from '@millrace/foundation';
import { MillraceError, messageOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { AskWorker } from '../rest/worker-client.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import type { GroupPlace } from './membership.ts';
import type { SessionKeys } from './session-keys.ts';
import type { WorkItem } from './work.ts';

export interface LeadershipOptions {
  readonly keys: SessionKeys;
  readonly ask: AskWorker;
  /** The store that only the leader changes. */
  readonly configs: Pick<ConfigStore, 'lead' | 'follow'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 60_000;
const REQUEST_TIMEOUT_MS = 90_000;

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #stop = new AbortController();
  readonly #joined: Promise<void>;
  #resolveJoined: () => void = () => undefined;
  #membership: GroupPlace | undefined;
  /** Resolves when this worker, as leader, knows all that earlier leaders wrote, or could not learn it yet. */
  #taken: Promise<void> = Promise.resolve();
  /** Ends the attempts to take what the present generation made this worker's to write. */
  #generation = new AbortController();

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#joined = new Promise((resolve) => {
      this.#resolveJoined = resolve;
    });
  }

  join(membership: GroupPlace): void {
    this.#membership = membership;
    this.#resolveJoined();
  }

  get isLeader(): boolean {
    return this.#membership?.isLeader === true;
  }

  /** Called when this worker leads a new generation, and when a generation has another leader. */
  onLeading(leads: boolean): void {
    this.#generation.abort();
    this.#generation = new AbortController();
    this.#taken = leads ? this.#take(0, this.#generation.signal) : this.#giveUp();
    if (leads && this.#membership?.signed === true) this.#options.keys.lead();
    else this.#options.keys.stop();
  }

  /**
   * Tries until it is done, in the background after the first time: what an earlier leader left undecided would keep
   * readers of the config topic waiting.
   */
  async #take(attempt: number, signal: AbortSignal): Promise<void> {
    const { configs, clock, logger } = this.#options;
    try {
      await configs.lead();
    } catch (error) {
      if (signal.aborted) return;
      const waitMs = retryWaitMs(attempt);
      logger.warn({ err: error, waitMs }, 'the right to write the config topic could not be claimed yet');
      void clock.sleep(waitMs, signal).then(() => {
        if (!signal.aborted && this.isLeader) this.#taken = this.#take(attempt + 1, signal);
      });
    }
  }

  async #giveUp(): Promise<void> {
    const { configs, logger } = this.#options;
    await configs.follow().catch((error: unknown) => {
      logger.warn({ err: error }, 'the right to write the config topic could not be given up in order');
    });
  }

  /**
   * Resolves when a rebalance under way has ended and this worker leads the group.
   * @throws connect.elsewhere with `refusal` when another worker does
   */
  async require(refusal: string): Promise<void> {
    await this.settled();
    await this.#taken;
    this.requireNow(refusal);
  }

  /** @throws connect.elsewhere with `refusal` when another worker leads the group */
  requireNow(refusal: string): void {
    if (!this.isLeader) throw elsewhere(refusal, this.#membership?.leaderUrl);
  }

  /** Refuses to restart what runs elsewhere: the leader knows where. */
  refuseRestart(item: WorkItem, what: string): never {
    if (!this.isLeader)
      throw elsewhere('Only the leader can process restart requests.', this.#membership?.leaderUrl);
    throw elsewhere(
      `Cannot restart ${what} since it is not assigned to this member`,
      this.#membership?.ownerUrl(item),
    );
  }

  /** Resolves when no rebalance is under way, a first one neither. */
  async settled(): Promise<void> {
    await this.#joined;
    await this.#membership?.settled();
  }

  /** Fires when the worker that is asked at `url` may never answer; see `Membership.gone`. */
  gone(url: string): AbortSignal {
    return this.#membership?.gone(url) ?? this.#stop.signal;
  }

  /** Whether a request of another worker may be carried out. @throws as `SessionKeys.verify` */
  verify(body: string, headers: Readonly<Record<string, string | undefined>>): void {
    if (this.#membership?.signed !== false) this.#options.keys.verify(body, headers);
  }

  /**
   * Has the leader store task configs, in the background: whoever waited for that could be waiting for a rebalance that
   * waits for him. `again` is called some time after it has failed, longer each time in a row.
   */
  sendTasks(connector: string, configs: readonly RawConfig[], attempt: number, again: () => void): void {
    void this.#postTasks(connector, configs).catch(async (error: unknown) => {
      const { clock, logger } = this.#options;
      if (this.#stop.signal.aborted) return;
      const waitMs = retryWaitMs(attempt);
      logger.info(
        { connector, waitMs, reason: messageOf(error) },
        'the leader did not take task configs; trying again',
      );
      await clock.sleep(waitMs, this.#stop.signal);
      if (!this.#stop.signal.aborted) again();
    });
  }

  async #postTasks(connector: string, configs: readonly RawConfig[]): Promise<void> {
    await this.#askLeader('POST', connector, 'tasks', JSON.stringify(configs));
  }

  /** Has the leader make sure that no earlier task of a connector writes any more. @throws what it answers */
  async askToFence(connector: string): Promise<void> {
    await this.#askLeader('PUT', connector, 'fence', '');
  }

  async #askLeader(method: string, connector: string, what: string, body: string): Promise<void> {
    const membership = this.#membership;
    await membership?.settled();
    const url = membership?.leaderUrl ?? '';
    if (url === '') throw connectError('connect.rebalance', 'the leader is not known at the moment');
    const { status, text } = await this.#options.ask(
      new URL(`connectors/${encodeURIComponent(connector)}/${what}`, url),
      {
        method,
        ...(body === '' ? {} : { body }),
        headers: {
          ...(body === '' ? {} : { 'content-type': 'application/json' }),
          ...(membership?.signed === true ? this.#options.keys.sign(body) : {}),
        },
        signal: AbortSignal.any([this.#stop.signal, this.gone(url), AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      },
    );
    if (status < 200 || status >= 300)
      throw connectError('connect.rest_internal', `${url} answered ${status}: ${text}`);
  }

  close(): void {
    this.#stop.abort();
    this.#generation.abort();
    this.#options.keys.stop();
  }
}

function retryWaitMs(attempt: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** attempt, MAX_RETRY_MS);
}

function elsewhere(refusal: string, url: string | undefined): MillraceError {
  return connectError('connect.elsewhere', refusal, { context: { url: url ?? '' } });
}
