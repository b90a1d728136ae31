// What a worker says of itself, of its place in the group, and of the connectors and tasks it runs. The states are the
// herder's, whatever thread a task is in, so they are there for a task whose thread has died, too.
import { type Clock, type Metrics, SampledStat } from '@millrace/foundation';
import { type MBeanNow, showMBean, showMBeans } from './show-mbean.ts';
import { shareOf } from './task-meters.ts';

/** States of connectors and tasks, as their metrics name them. */
export type ShownState =
  | 'running'
  | 'paused'
  | 'stopped'
  | 'failed'
  | 'unassigned'
  | 'restarting'
  | 'destroyed';

/** A connector of this worker as its metrics show it. */
export interface ConnectorShown {
  readonly name: string;
  readonly state: ShownState;
  readonly type: 'source' | 'sink';
  readonly className: string;
  readonly version: string;
}

/** A class with its version; both empty when they are not known. */
export interface ClassShown {
  readonly className: string;
  readonly version: string;
}

/** A task of this worker as its metrics show it. */
export interface TaskShown {
  readonly connector: string;
  readonly task: number;
  readonly state: ShownState;
  readonly runningRatio: number;
  readonly pauseRatio: number;
  /** Null when the connector's class is not known. */
  readonly about: TaskClasses | null;
}

/** What a task is made of. */
export interface TaskClasses {
  readonly type: 'source' | 'sink';
  readonly connector: ClassShown;
  readonly task: ClassShown;
  readonly keyConverter: ClassShown;
  readonly valueConverter: ClassShown;
  readonly headerConverter: ClassShown;
  /** By alias. */
  readonly transforms: ReadonlyMap<string, ClassShown>;
  readonly predicates: ReadonlyMap<string, ClassShown>;
}

/** The worker's place in its group. */
export interface GroupShown {
  readonly generation: number;
  readonly leaderUrl: string;
  readonly protocol: string;
  readonly assignedConnectors: number;
  readonly assignedTasks: number;
}

/** What is read when somebody looks. */
export interface WorkerReadings {
  readonly clientId: string;
  readonly connectors: () => readonly ConnectorShown[];
  readonly tasks: () => readonly TaskShown[];
  readonly group: () => GroupShown;
}

/** Starts of connectors or of tasks. */
class Starts {
  #succeeded = 0;
  #failed = 0;
  readonly #outcomes = new SampledStat();

  add(succeeded: boolean, nowMs: number): void {
    if (succeeded) this.#succeeded++;
    else this.#failed++;
    this.#outcomes.record(succeeded ? 1 : 0, nowMs);
  }
  get succeeded(): number {
    return this.#succeeded;
  }
  get failed(): number {
    return this.#failed;
  }
  share(nowMs: number): number {
    return shareOf(this.#outcomes, nowMs);
  }
  failedShare(nowMs: number): number {
    return shareOf(this.#outcomes, nowMs, { others: true });
  }
}

/** Rebalances of the group, from the first join request to the end of what moved away. */
export class RebalanceMeter {
  readonly #clock: Clock;
  readonly #times = new SampledStat();
  #completed = 0;
  #sinceMs: number | undefined;
  #lastMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#sinceMs ??= this.#clock.monotonicMs();
  }
  end(): void {
    if (this.#sinceMs === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    this.#times.record(nowMs - this.#sinceMs, nowMs);
    this.#completed++;
    this.#sinceMs = undefined;
    this.#lastMs = nowMs;
  }

  values(nowMs: number): {
    readonly 'completed-rebalances-total': number;
    readonly rebalancing: number;
    readonly 'rebalance-max-time-ms': number;
    readonly 'rebalance-avg-time-ms': number;
    readonly 'time-since-last-rebalance-ms': number;
  } {
    return {
      'completed-rebalances-total': this.#completed,
      rebalancing: this.#sinceMs === undefined ? 0 : 1,
      'rebalance-max-time-ms': this.#times.maximum(nowMs),
      'rebalance-avg-time-ms': this.#times.average(nowMs),
      'time-since-last-rebalance-ms': this.#lastMs === undefined ? Number.NaN : nowMs - this.#lastMs,
    };
  }
}

export class WorkerMeters {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #connectorStarts = new Starts();
  readonly #taskStarts = new Starts();
  readonly rebalances: RebalanceMeter;

  constructor({ metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock }) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.rebalances = new RebalanceMeter(clock);
  }

  connectorStarted(succeeded: boolean): void {
    this.#connectorStarts.add(succeeded, this.#clock.monotonicMs());
  }
  taskStarted(succeeded: boolean): void {
    this.#taskStarts.add(succeeded, this.#clock.monotonicMs());
  }

  /** Puts everything on the page, for as long as the worker lives. */
  show(readings: WorkerReadings): void {
    const { clientId, connectors, tasks, group } = readings;
    const metrics = this.#metrics;
    showMBean(metrics, 'worker', {}, () => {
      const nowMs = this.#clock.monotonicMs();
      const [ofConnectors, ofTasks] = [this.#connectorStarts, this.#taskStarts];
      return {
        'connector-count': connectors().length,
        'task-count': tasks().length,
        'connector-startup-attempts-total': ofConnectors.succeeded + ofConnectors.failed,
        'connector-startup-success-total': ofConnectors.succeeded,
        'connector-startup-success-percentage': ofConnectors.share(nowMs),
        'connector-startup-failure-total': ofConnectors.failed,
        'connector-startup-failure-percentage': ofConnectors.failedShare(nowMs),
        'task-startup-attempts-total': ofTasks.succeeded + ofTasks.failed,
        'task-startup-success-total': ofTasks.succeeded,
        'task-startup-success-percentage': ofTasks.share(nowMs),
        'task-startup-failure-total': ofTasks.failed,
        'task-startup-failure-percentage': ofTasks.failedShare(nowMs),
      };
    });
    showMBeans(metrics, 'workerConnector', () => taskCounts(tasks()));
    showMBean(metrics, 'rebalance', {}, () => ({
      ...this.rebalances.values(this.#clock.monotonicMs()),
      'connect-protocol': group().protocol.toUpperCase(),
      'leader-name': group().leaderUrl,
      epoch: group().generation,
    }));
    showMBean(metrics, 'coordinator', { clientid: clientId }, () => ({
      'assigned-connectors': group().assignedConnectors,
      'assigned-tasks': group().assignedTasks,
    }));
    showMBeans(metrics, 'connector', () =>
      connectors().map(({ name, state, type, className, version }) => ({
        labels: { connector: name },
        values: {
          status: state,
          'connector-type': type,
          'connector-class': className,
          'connector-version': version,
        },
      })),
    );
    showMBeans(metrics, 'task', () => tasks().map(taskNow));
    showMBeans(metrics, 'transform', () =>
      tasks().flatMap(({ connector, task, about }) =>
        [...(about?.transforms ?? [])].map(([transform, { className, version }]) => ({
          labels: { connector, task: String(task), transform },
          values: { 'transform-class': className, 'transform-version': version },
        })),
      ),
    );
    showMBeans(metrics, 'predicate', () =>
      tasks().flatMap(({ connector, task, about }) =>
        [...(about?.predicates ?? [])].map(([predicate, { className, version }]) => ({
          labels: { connector, task: String(task), predicate },
          values: { 'predicate-class': className, 'predicate-version': version },
        })),
      ),
    );
  }
}

function taskCounts(tasks: readonly TaskShown[]): MBeanNow<'workerConnector'>[] {
  const byConnector = new Map<string, TaskShown[]>();
  for (const task of tasks) {
    const same = byConnector.get(task.connector);
    if (same) same.push(task);
    else byConnector.set(task.connector, [task]);
  }
  return [...byConnector].map(([connector, its]) => {
    const count = (state: ShownState): number => its.filter((task) => task.state === state).length;
    return {
      labels: { connector },
      values: {
        'connector-total-task-count': its.length,
        'connector-running-task-count': count('running'),
        'connector-paused-task-count': count('paused'),
        'connector-failed-task-count': count('failed'),
        'connector-unassigned-task-count': count('unassigned'),
        'connector-restarting-task-count': count('restarting'),
        'connector-destroyed-task-count': count('destroyed'),
      },
    };
  });
}

function taskNow({ connector, task, state, runningRatio, pauseRatio, about }: TaskShown): MBeanNow<'task'> {
  return {
    labels: { connector, task: String(task) },
    values: {
      status: state,
      'running-ratio': runningRatio,
      'pause-ratio': pauseRatio,
      'connector-class': about?.connector.className ?? '',
      'connector-type': about?.type ?? '',
      'connector-version': about?.connector.version ?? '',
      'task-class': about?.task.className ?? '',
      'task-version': about?.task.version ?? '',
      'key-converter-class': about?.keyConverter.className ?? '',
      'key-converter-version': about?.keyConverter.version ?? '',
      'value-converter-class': about?.valueConverter.className ?? '',
      'value-converter-version': about?.valueConverter.version ?? '',
      'header-converter-class': about?.headerConverter.className ?? '',
      'header-converter-version': about?.headerConverter.version ?? '',
    },
  };
}
