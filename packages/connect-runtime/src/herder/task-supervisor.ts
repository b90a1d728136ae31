// Keeps the tasks this worker was given running: starts, stops and restarts them as configs, target states and the
// assignment say, keeps their status, and restarts failed ones where that can help. Jobs of one task run one after
// another, so a new incarnation starts only when the old one is gone (INV-2).
import type { Clock, Logger, RawConfig } from '@millrace/foundation';
import { javaTrace, messageOf, policyOf } from '@millrace/foundation';
import { type ConfigProviders, resolveVariables } from '../config/providers.ts';
import { connectError } from '../errors.ts';
import type { HostedTask, TaskFailure, TaskHost } from '../host/task-host.ts';
import type { ShownState, TaskClasses, TaskShown } from '../metrics/worker-meters.ts';
import type { PluginRegistry } from '../plugins.ts';
import type { ConfigState } from '../stores/config-state.ts';
import type { ConnectorOffsetStore, ConnectorOffsetStores } from '../stores/connector-offset-stores.ts';
import type { StatusStore } from '../stores/status-store.ts';
import type { TaskSettings, TaskSpec, TaskState } from '../task/task-runner.ts';
import { sameConfig } from './connector-host.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { type RestartPolicy, restartRules } from './restart-rules.ts';
import { StateTimes } from './state-times.ts';
import { taskClasses } from './task-classes.ts';
import { itemKey, type WorkItem } from './work.ts';

export interface TaskSupervisorOptions {
  readonly state: ConfigState;
  readonly status: StatusStore;
  readonly offsets: ConnectorOffsetStores;
  readonly zombies: ZombieGuard;
  readonly host: TaskHost;
  readonly plugins: PluginRegistry;
  readonly providers: ConfigProviders;
  readonly settings: TaskSettings;
  readonly restarts: RestartPolicy;
  readonly trackTopics: boolean;
  readonly workerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly generation: () => number;
  readonly isAssigned: (task: WorkItem) => boolean;
  /** Told how each start of a task went. */
  readonly onStarted: (succeeded: boolean) => void;
}

/** What tasks that deliver exactly once ask of the group. */
export interface ZombieGuard {
  /** Has the leader fence the producers of a connector's earlier tasks. @throws while that cannot be done */
  fence(connector: string): Promise<void>;
  /** Reads the config topic to its end. */
  refresh(): Promise<void>;
}

interface Running {
  readonly hosted: HostedTask | null;
  /** What it was started from, as stored. */
  readonly taskConfig: RawConfig;
  readonly connectorConfig: RawConfig;
  readonly version: string | null;
  readonly startedMs: number;
  /** Of the connector's tasks, when it was started. */
  readonly generation: number;
  /** Where its offsets are; null for a sink and for a task that could not be started. */
  readonly offsets: ConnectorOffsetStore | null;
  readonly times: StateTimes;
  /** What it is made of; null when its class is not known. */
  readonly about: TaskClasses | null;
  failed: boolean;
  paused: boolean;
  /** Whether it came to run or rest. */
  started?: boolean;
  /** Whether it has told a state: the first one goes before whatever another worker has said. */
  reported: boolean;
}

const FIRST_FENCE_WAIT_MS = 100;
const MAX_FENCE_WAIT_MS = 2000;
const SHOWN_STATES: Readonly<Record<TaskState, ShownState>> = {
  UNASSIGNED: 'unassigned',
  RUNNING: 'running',
  PAUSED: 'paused',
};

interface Backoff {
  attempts: number;
  cancel: AbortController | null;
}

export class TaskSupervisor {
  readonly #options: TaskSupervisorOptions;
  readonly #queue = new KeyedQueue();
  readonly #running = new Map<string, Running>();
  readonly #items = new Map<string, WorkItem>();
  readonly #ending = new Map<string, WorkItem>();
  readonly #backoffs = new Map<string, Backoff>();
  #closing = false;

  constructor(options: TaskSupervisorOptions) {
    this.#options = options;
  }

  /** The tasks of a connector that run or failed here. */
  tasksOf(connector: string): WorkItem[] {
    return [...this.#items.values()].filter((item) => item.connector === connector);
  }

  /** The tasks that run, failed or are ending here. */
  active(): WorkItem[] {
    const running = [...this.#running.keys()].flatMap((key) => this.#items.get(key) ?? []);
    return [...running, ...this.#ending.values()];
  }

  /** What the metrics show of the tasks that run or failed here. */
  shown(): TaskShown[] {
    return [...this.#running].flatMap(([key, { times, about }]) => {
      const item = this.#items.get(key);
      if (!item) return [];
      const ratios = { runningRatio: times.ratio('running'), pauseRatio: times.ratio('paused') };
      return [{ ...item, state: times.state, ...ratios, about }];
    });
  }

  /** Brings a task to what its config, target state and assignment say; later calls see the latest of them. */
  reconcile(item: WorkItem): Promise<void> {
    return this.#queue.run(itemKey(item), () => this.#reconcile(item));
  }

  /** Stops and starts it anew; `announce` shows RESTARTING in between. */
  restart(item: WorkItem, options: { announce: boolean }): Promise<void> {
    this.#forgetBackoff(item);
    return this.#queue.run(itemKey(item), async () => {
      await this.#end(item);
      if (options.announce) this.#report(item, 'RESTARTING', null);
      await this.#reconcile(item);
    });
  }

  forgetTopics(connector: string): void {
    for (const item of this.tasksOf(connector)) this.#running.get(itemKey(item))?.hosted?.forgetTopics();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const item of this.#items.values()) this.#forgetBackoff(item);
    await Promise.all(
      [...this.#items.values()].map((item) => this.#queue.run(itemKey(item), () => this.#end(item))),
    );
    await this.#queue.idle();
  }

  async #reconcile(item: WorkItem): Promise<void> {
    const { state, isAssigned } = this.#options;
    const connectorConfig = state.config(item.connector);
    const taskConfig = state.tasks(item.connector)[item.task];
    if (this.#closing || connectorConfig === undefined || taskConfig === undefined || !isAssigned(item)) {
      await this.#end(item);
      return;
    }
    const applied = state.appliedConfig(item.connector) ?? connectorConfig;
    const paused = state.targetState(item.connector) !== 'STARTED';
    const running = this.#running.get(itemKey(item));
    const same =
      running &&
      sameConfig(running.taskConfig, taskConfig) &&
      sameConfig(running.connectorConfig, applied) &&
      !this.#isOutdated(item, running);
    if (!running || !same) {
      await this.#end(item);
      await this.#start(item, taskConfig, applied, paused);
    } else if (running.paused !== paused) {
      running.paused = paused;
      if (paused) running.hosted?.pause();
      else running.hosted?.resume();
    }
  }

  async #start(
    item: WorkItem,
    taskConfig: RawConfig,
    connectorConfig: RawConfig,
    paused: boolean,
  ): Promise<void> {
    const { plugins, providers, host, settings, clock, state } = this.#options;
    const key = itemKey(item);
    this.#items.set(key, item);
    this.#clearStaleState(item);
    let version: string | null = null;
    const generation = state.taskGeneration(item.connector);
    const times = new StateTimes(clock);
    const started = {
      taskConfig,
      connectorConfig,
      paused,
      generation,
      startedMs: clock.monotonicMs(),
      times,
      reported: false,
    };
    let offsets: ConnectorOffsetStore | null = null;
    let about: TaskClasses | null = null;
    try {
      const plugin = await plugins.connector((connectorConfig['connector.class'] ?? '').trim());
      version = plugin.version;
      const upgraded = plugin.upgradeConfig?.(connectorConfig).config ?? connectorConfig;
      const resolved = await resolveVariables(upgraded, providers);
      if (plugin.kind === 'source') offsets = await this.#options.offsets.open(item.connector, resolved);
      about = taskClasses(plugin, upgraded, { plugins, workerConverters: settings.workerConverters });
      const spec: TaskSpec = {
        connector: item.connector,
        task: item.task,
        kind: plugin.kind,
        connectorClass: plugin.className,
        config: await resolveVariables(taskConfig, providers),
        connectorConfig: resolved,
        paused,
        settings,
        ...(offsets === null ? {} : { offsets: offsets.place }),
      };
      const running: Running = {
        hosted: host.start(spec, {
          onState: (shown, trace) => {
            if (this.#running.get(key) !== running || running.failed) return;
            times.change(SHOWN_STATES[shown]);
            if (!running.started && shown !== 'UNASSIGNED') {
              running.started = true;
              this.#options.onStarted(true);
            }
            this.#report(item, shown, version, trace ?? null, running.reported);
            running.reported = true;
          },
          onTopic: (topic) => this.#onTopic(item, topic),
          onFailed: (failure) => {
            if (this.#running.get(key) === running) this.#onFailed(item, running, failure);
          },
          readOffset: async (partition) => (await offsets?.offset(partition)) ?? null,
          storeOffsets: async (stored) => await offsets?.put(stored),
          fenceOthers: () => this.#fenceOthers(item, () => this.#running.get(key) === running),
          confirmStart: () => this.#confirmStart(item, running),
        }),
        ...started,
        offsets,
        about,
        version,
        failed: false,
      };
      this.#running.set(key, running);
    } catch (error) {
      await offsets?.close();
      const running: Running = { hosted: null, ...started, offsets: null, about, version, failed: false };
      this.#running.set(key, running);
      this.#onFailed(item, running, { message: '', trace: javaTrace(error), policy: policyOf(error) });
    }
  }

  /** Tries until it is done, or the task is not wanted any more: who leads may be about to change. */
  async #fenceOthers(item: WorkItem, isWanted: () => boolean): Promise<void> {
    const { zombies, clock, logger } = this.#options;
    for (let waitMs = FIRST_FENCE_WAIT_MS; isWanted(); waitMs = Math.min(2 * waitMs, MAX_FENCE_WAIT_MS)) {
      try {
        await zombies.fence(item.connector);
        return;
      } catch (error) {
        logger.info(
          { connector: item.connector, task: item.task, waitMs, reason: messageOf(error) },
          'earlier tasks were not fenced yet; trying again',
        );
        await clock.sleep(waitMs);
      }
    }
  }

  /** INV-2: an old task that fenced a newer one by its transactional id must not go on. */
  async #confirmStart(item: WorkItem, running: Running): Promise<void> {
    const { zombies, isAssigned } = this.#options;
    await zombies.refresh();
    const id = `${item.connector}-${item.task}`;
    if (this.#isOutdated(item, running)) {
      throw connectError(
        'connect.task_outdated',
        `Cannot start source task ${id} with exactly-once support as the connector has already generated a new set of task configs`,
      );
    }
    if (!isAssigned(item)) {
      throw connectError(
        'connect.task_outdated',
        `Cannot start source task ${id} as it has already been revoked from this worker`,
      );
    }
  }

  /** Tasks that fence each other all begin anew when there are new ones, whether or not their configs differ. */
  #isOutdated(item: WorkItem, running: Pick<Running, 'generation' | 'offsets'>): boolean {
    const { settings, state } = this.#options;
    const fences = settings.exactlyOnce && running.offsets !== null;
    return fences && state.taskGeneration(item.connector) !== running.generation;
  }

  /** After a crash the topic still says RUNNING, which is not so until the task has started. */
  #clearStaleState(item: WorkItem): void {
    const shown = this.#options.status.task(item.connector, item.task)?.state;
    if (shown === 'RUNNING' || shown === 'PAUSED') this.#report(item, 'UNASSIGNED', null, null, false);
  }

  async #end(item: WorkItem): Promise<void> {
    const key = itemKey(item);
    const running = this.#running.get(key);
    if (!running) return;
    this.#running.delete(key);
    this.#ending.set(key, item);
    try {
      await running.hosted?.stop();
      await running.offsets?.close();
    } finally {
      this.#ending.delete(key);
    }
    this.#report(item, 'UNASSIGNED', null);
    const { state, status } = this.#options;
    if (item.task >= state.tasks(item.connector).length) {
      this.#items.delete(key);
      this.#forgetBackoff(item);
      // A task there is no more has no status either.
      status.put({ kind: 'task', connector: item.connector, task: item.task, value: null });
    }
  }

  #onFailed(item: WorkItem, running: Running, failure: TaskFailure): void {
    running.failed = true;
    if (this.#isOutdated(item, running)) {
      // A task that was fenced by those that follow it has not failed: they are started, here or elsewhere.
      void this.reconcile(item);
      return;
    }
    running.times.change('failed');
    if (!running.started) this.#options.onStarted(false);
    const waitMs =
      failure.policy === 'retry' ? this.#scheduleRestart(item, running, failure.quietInMs) : undefined;
    const note =
      waitMs === undefined ? '' : `Millrace restarts this task by itself in ${Math.ceil(waitMs / 1000)} s.\n`;
    // Connect knows no version of what was never made.
    const version = failure.neverMade === true ? null : running.version;
    this.#report(item, 'FAILED', version, failure.trace + note);
  }

  /** Milliseconds until the restart, or undefined when there is none. */
  #scheduleRestart(item: WorkItem, running: Running, quietInMs = 0): number | undefined {
    const { clock } = this.#options;
    const restarts = restartRules(this.#options.restarts, running.connectorConfig);
    if (!restarts.enabled || this.#closing) return undefined;
    const key = itemKey(item);
    const backoff = this.#backoffs.get(key) ?? { attempts: 0, cancel: null };
    this.#backoffs.set(key, backoff);
    // A task that ran for long starts its waits anew.
    if (clock.monotonicMs() - running.startedMs > 2 * this.#options.restarts.maxBackoffMs)
      backoff.attempts = 0;
    if (backoff.attempts >= restarts.maxRetries) return undefined;
    const backoffMs = Math.min(restarts.backoffMs * 2 ** backoff.attempts, restarts.maxBackoffMs);
    // `stop` would wait anyway; the status tells when it really starts.
    const waitMs = Math.max(backoffMs, quietInMs);
    backoff.attempts++;
    backoff.cancel?.abort();
    const cancel = new AbortController();
    backoff.cancel = cancel;
    void clock.sleep(waitMs, cancel.signal).then(() => {
      if (cancel.signal.aborted) return;
      backoff.cancel = null;
      void this.#queue.run(key, async () => {
        if (this.#running.get(key) !== running) return;
        await this.#end(item);
        await this.#reconcile(item);
      });
    });
    return waitMs;
  }

  #forgetBackoff(item: WorkItem): void {
    const key = itemKey(item);
    this.#backoffs.get(key)?.cancel?.abort();
    this.#backoffs.delete(key);
  }

  #onTopic(item: WorkItem, topic: string): void {
    const { state, status, trackTopics, clock } = this.#options;
    if (!trackTopics || !state.has(item.connector) || status.hasTopic(item.connector, topic)) return;
    status.put({
      kind: 'topic',
      connector: item.connector,
      topic,
      value: { topic, connector: item.connector, task: item.task, discoveredMs: clock.nowMs() },
    });
  }

  #report(
    item: WorkItem,
    state: 'RUNNING' | 'PAUSED' | 'FAILED' | 'UNASSIGNED' | 'RESTARTING',
    version: string | null,
    trace: string | null = null,
    yields = state === 'UNASSIGNED' || state === 'FAILED',
  ): void {
    const { status, workerId, generation } = this.#options;
    const value = { state, trace, workerId, generation: generation(), version };
    status.put({ kind: 'task', connector: item.connector, task: item.task, value }, { yields });
  }
}
