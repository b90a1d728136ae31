// What this worker runs of the group's work: follows assignments and the config topic, and keeps connectors and tasks
// as both say. What it gives up has ended before the group hears of it (INV-2).
import { type Clock, type Logger, toError } from '@millrace/foundation';
import type { ConfigChange } from '../stores/config-state.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import type { StatusStore } from '../stores/status-store.ts';
import type { ConnectorHost } from './connector-host.ts';
import type { RestartRequest } from './herder-api.ts';
import type { GroupPlace } from './membership.ts';
import { planRestart } from './restart-plan.ts';
import type { TaskSupervisor } from './task-supervisor.ts';
import type { ConnectorViews } from './views.ts';
import { CONNECTOR_ITSELF, type WorkItem, WorkSet } from './work.ts';

export interface GroupWorkOptions {
  readonly configs: ConfigStore;
  readonly status: StatusStore;
  readonly views: ConnectorViews;
  readonly connectors: ConnectorHost;
  readonly tasks: TaskSupervisor;
  readonly workerId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLoggerLevel: (namespace: string, level: string) => void;
}

/** What takes longer to end stays this worker's for the group, so that nobody else starts it. */
const END_WAIT_MS = 30_000;

export class GroupWork {
  readonly #options: GroupWorkOptions;
  /** What the group gave this worker. */
  #assigned = new WorkSet();
  #membership: GroupPlace | undefined;

  constructor(options: GroupWorkOptions) {
    this.#options = options;
  }

  join(membership: GroupPlace): void {
    this.#membership = membership;
    membership.start();
  }

  has(item: WorkItem): boolean {
    return this.#assigned.has(item);
  }

  /** How much the group gave to this worker. */
  assignedCounts(): { readonly assignedConnectors: number; readonly assignedTasks: number } {
    const assigned = this.#assigned.values();
    const connectors = assigned.filter(({ task }) => task === CONNECTOR_ITSELF).length;
    return { assignedConnectors: connectors, assignedTasks: assigned.length - connectors };
  }

  /** All connectors and tasks there are. */
  configured(): WorkSet {
    const { state } = this.#options.configs;
    const all = new WorkSet();
    for (const connector of state.connectors()) {
      all.add({ connector, task: CONNECTOR_ITSELF });
      for (const task of state.tasks(connector).keys()) all.add({ connector, task });
    }
    return all;
  }

  /** What was assigned, and what is here although it no longer is: deleted, and made again meanwhile, it stays here. */
  owned(): WorkItem[] {
    return new WorkSet([...this.#assigned.values(), ...this.#active()]).values();
  }

  #active(): WorkItem[] {
    const { connectors, tasks } = this.#options;
    const hosted = connectors.active().map((connector) => ({ connector, task: CONNECTOR_ITSELF }));
    return [...hosted, ...tasks.active()];
  }

  async onAssigned(work: readonly WorkItem[]): Promise<void> {
    this.#options.status.resume();
    const before = this.#assigned;
    this.#assigned = new WorkSet(work);
    const gone = before.filter((item) => !this.#assigned.has(item));
    const configured = this.configured();
    // INV-2: what goes to another worker has ended here first. What was deleted goes nowhere, so nobody waits for it.
    const moved = gone.filter((item) => configured.has(item)).values();
    const ended = this.#ended(moved);
    const deleted = gone.filter((item) => !configured.has(item)).values();
    for (const item of [...deleted, ...this.#assigned.values()]) this.#background(this.#reconcile(item));
    this.#forgetOwn();
    await ended;
  }

  /** Ends all that runs here; resolves when it has. */
  async giveUp(): Promise<void> {
    const before = this.owned();
    this.#assigned = new WorkSet();
    await Promise.all(before.map((item) => this.#reconcile(item)));
    await this.#options.status.flush();
  }

  async onLost(): Promise<void> {
    const before = this.#assigned.values();
    this.#assigned = new WorkSet();
    this.#options.status.cutOff();
    this.#options.logger.warn(
      { connectorsAndTasks: before.length },
      'the group no longer counts on this worker: it ends all that it runs and joins again',
    );
    await this.#ended(before);
  }

  /** Resolves when the items have ended here and their states are stored, or after a time. */
  async #ended(items: readonly WorkItem[]): Promise<void> {
    if (items.length === 0) return;
    const { clock, status, logger } = this.#options;
    const done = new AbortController();
    const timeout = clock.sleep(END_WAIT_MS, done.signal).then(() => 'timeout' as const);
    const all = Promise.all(items.map((item) => this.#reconcile(item))).then(() => status.flush());
    all.catch(() => undefined);
    if ((await Promise.race([all, timeout])) === 'timeout') {
      logger.warn(
        { items: this.#active() },
        'what the group has taken away has not ended yet; it stays here',
      );
    }
    done.abort();
  }

  /** As leader: shows that nobody runs what waits for a lost worker, and forgets what such workers left behind. */
  onLeading(waiting: readonly WorkItem[]): void {
    const { status } = this.#options;
    const generation = this.#membership?.generation ?? -1;
    for (const { connector, task } of waiting) {
      const isConnector = task === CONNECTOR_ITSELF;
      const known = isConnector ? status.connector(connector) : status.task(connector, task);
      if (!known || known.state === 'UNASSIGNED') continue;
      const value = { ...known, state: 'UNASSIGNED' as const, trace: null, version: null, generation };
      if (isConnector) status.put({ kind: 'connector', connector, value }, { yields: true });
      else status.put({ kind: 'task', connector, task, value }, { yields: true });
    }
    this.#forget((worker) => this.#membership?.hasWorker(worker) !== true);
  }

  /** What the config topic brought, from this worker or another. */
  onConfigChange(change: ConfigChange): void {
    const { connectors, tasks, onLoggerLevel } = this.#options;
    switch (change.kind) {
      case 'connector':
        if (change.isNew) this.#membership?.rejoin();
        else this.#background(connectors.reconcile(change.connector));
        break;
      case 'removed':
        this.#onRemoved(change.connector);
        break;
      case 'tasks':
        this.#onTasks(change.connector, change.before);
        break;
      case 'target-state':
        this.#background(connectors.reconcile(change.connector));
        for (const item of tasks.tasksOf(change.connector)) this.#background(tasks.reconcile(item));
        break;
      case 'restart':
        this.#onRestart(change.connector, change);
        break;
      case 'logger':
        onLoggerLevel(change.namespace, change.level);
        break;
      default:
        change satisfies never;
    }
  }

  #reconcile(item: WorkItem): Promise<void> {
    const { connectors, tasks } = this.#options;
    return item.task === CONNECTOR_ITSELF ? connectors.reconcile(item.connector) : tasks.reconcile(item);
  }

  #onRemoved(connector: string): void {
    const { connectors, tasks } = this.#options;
    this.#background(
      (async () => {
        await Promise.all([
          connectors.reconcile(connector),
          ...tasks.tasksOf(connector).map((item) => tasks.reconcile(item)),
        ]);
        this.#forgetOwn();
        this.#membership?.rejoin();
      })(),
    );
  }

  #onTasks(connector: string, before: number): void {
    const { configs, tasks } = this.#options;
    const assigned = this.#assigned.filter((item) => item.connector === connector && item.task >= 0);
    for (const item of tasks.tasksOf(connector)) assigned.add(item);
    for (const item of assigned.values()) this.#background(tasks.reconcile(item));
    if (configs.state.tasks(connector).length !== before) this.#membership?.rejoin();
  }

  #onRestart(connector: string, request: RestartRequest): void {
    const { views, connectors, tasks } = this.#options;
    let plan: ReturnType<typeof planRestart>;
    try {
      plan = planRestart(views.status(connector), request);
    } catch {
      return; // no status yet: nothing runs that could be restarted
    }
    if (plan.connector && this.#assigned.has({ connector, task: CONNECTOR_ITSELF })) {
      this.#background(connectors.restart(connector, { announce: true }));
    }
    for (const task of plan.tasks) {
      const item = { connector, task };
      if (this.#assigned.has(item)) this.#background(tasks.restart(item, { announce: true }));
    }
  }

  /** This worker's own states of what is gone, as a crash leaves them behind. */
  #forgetOwn(): void {
    const { workerId } = this.#options;
    const active = new WorkSet(this.#active());
    this.#forget((worker, item) => worker === workerId && !active.has(item));
  }

  /** Connectors and tasks that are gone leave no status behind once they have ended where they ran. */
  #forget(hasEnded: (worker: string, item: WorkItem) => boolean): void {
    const { status, configs } = this.#options;
    for (const connector of status.names()) {
      const isGone = !configs.state.has(connector);
      for (const [task, { workerId }] of status.tasks(connector)) {
        if (task < configs.state.tasks(connector).length) continue;
        if (hasEnded(workerId, { connector, task }))
          status.put({ kind: 'task', connector, task, value: null });
      }
      const known = status.connector(connector);
      if (isGone && known && hasEnded(known.workerId, { connector, task: CONNECTOR_ITSELF })) {
        status.put({ kind: 'connector', connector, value: null });
      }
      if (!isGone || this.#membership?.isLeader !== true) continue;
      for (const { topic } of status.topics(connector)) {
        status.put({ kind: 'topic', connector, topic, value: null });
      }
    }
  }

  #background(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#options.logger.error({ err: toError(error) }, 'a change could not be carried out');
    });
  }
}
