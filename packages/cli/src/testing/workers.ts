// Several workers of one group, each a process of its own, and what their group shows of itself by REST.
import type { ConnectorStatus } from '@millrace/connect-api';
import { eventually, type MillraceProcess, type RestSubject, startMillrace } from '@millrace/testkit';
import { connectorStatus } from './connectors.ts';

export type Properties = Readonly<Record<string, string>>;

/** The shortest session that brokers allow by default. */
const SESSION_MS = 6000;

/** Short times, so that a test sees in seconds what takes minutes by default. */
const SHORT_TIMES: Properties = {
  'session.timeout.ms': String(SESSION_MS),
  'heartbeat.interval.ms': '1000',
  'scheduled.rebalance.max.delay.ms': '3000',
  'offset.flush.interval.ms': '200',
};

/** Settings of a group of its own. */
export function group(name: string): Properties {
  const topics = ['config', 'offset', 'status'].flatMap((kind) => [
    [`${kind}.storage.topic`, `${name}-${kind}s`],
    [`${kind}.storage.replication.factor`, '1'],
  ]);
  return { ...SHORT_TIMES, 'group.id': name, ...Object.fromEntries(topics) };
}

/** Workers of one group on a cluster; they end with it. */
export class Workers implements AsyncDisposable {
  readonly all: MillraceProcess[] = [];
  readonly #bootstrapServers: string;
  readonly #properties: Properties;

  constructor(bootstrapServers: string, properties: Properties) {
    this.#bootstrapServers = bootstrapServers;
    this.#properties = properties;
  }

  async start(count: number): Promise<MillraceProcess[]> {
    const started = await Promise.all(
      Array.from({ length: count }, () =>
        startMillrace({ bootstrapServers: this.#bootstrapServers, properties: this.#properties }),
      ),
    );
    this.all.push(...started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((worker) => worker[Symbol.asyncDispose]()));
  }
}

/** A worker as tests of groups ask it: by REST, as what the others know it as. */
export type GroupWorker = Pick<MillraceProcess, 'rest' | 'request' | 'running' | 'logs'>;

/** `HOST:PORT`, as states name a worker. */
export function idOf(worker: Pick<MillraceProcess, 'rest'>): string {
  return worker.rest.replace('http://', '');
}

/** The status of every connector, by name, as one worker tells it. */
export async function statuses(worker: RestSubject): Promise<Map<string, ConnectorStatus>> {
  const { status, body } = await worker.request('GET', '/connectors?expand=status');
  if (status !== 200) throw new Error(`statuses were answered ${status}: ${JSON.stringify(body)}`);
  const all = body as Record<string, { status: ConnectorStatus }>;
  return new Map(Object.entries(all).map(([name, one]) => [name, one.status]));
}

/** How many connectors and tasks run on each worker. */
export async function loads(
  worker: RestSubject,
): Promise<Map<string, { connectors: number; tasks: number }>> {
  const found = new Map<string, { connectors: number; tasks: number }>();
  const count = (part: { state: string; worker_id: string }, kind: 'connectors' | 'tasks'): void => {
    if (part.state !== 'RUNNING') return;
    const load = found.get(part.worker_id) ?? { connectors: 0, tasks: 0 };
    load[kind]++;
    found.set(part.worker_id, load);
  };
  for (const { connector, tasks } of (await statuses(worker)).values()) {
    count(connector, 'connectors');
    for (const task of tasks) count(task, 'tasks');
  }
  return found;
}

/** Waits until everything runs, on these workers alone, and no worker runs more than one more than another. */
export async function untilBalanced(
  workers: readonly GroupWorker[],
  total: { readonly connectors: number; readonly tasks: number },
  timeoutMs = 30_000,
): Promise<void> {
  const ids = workers.map(idOf).sort();
  await eventually(
    `${total.connectors} connectors and ${total.tasks} tasks are balanced`,
    async () => {
      for (const worker of workers) {
        const seen = await loads(worker);
        const text = `${idOf(worker)} tells ${JSON.stringify([...seen])}`;
        for (const kind of ['connectors', 'tasks'] as const) {
          const counts = ids.map((id) => seen.get(id)?.[kind] ?? 0);
          const sum = [...seen.values()].reduce((all, load) => all + load[kind], 0);
          const isEven = Math.max(...counts) - Math.min(...counts) <= 1;
          if (sum !== total[kind] || counts.reduce((all, one) => all + one, 0) !== sum || !isEven) {
            throw new Error(text);
          }
        }
      }
      return true;
    },
    timeoutMs,
  ).catch(async (error: unknown) => {
    const states = await Promise.all(workers.map(stateOf));
    throw new Error(`${String(error)}\n${states.join('\n')}`);
  });
}

/** Whether a worker is ready, what keeps it, and what it said last: what a group that does not settle is told by. */
async function stateOf(worker: GroupWorker): Promise<string> {
  const ready = await worker.request('GET', '/health/ready').catch(String);
  const said = worker.logs.trimEnd().split('\n').slice(-5).join('\n');
  return `${idOf(worker)}, ${worker.running ? 'running' : 'ended'}: ${JSON.stringify(ready)}\n${said}`;
}

/** Ends whoever runs the task in some way, and waits until another worker does. */
export async function takeOver(
  workers: readonly MillraceProcess[],
  name: string,
  end: (worker: MillraceProcess) => void | Promise<unknown>,
): Promise<MillraceProcess> {
  const [asked] = workers as [MillraceProcess];
  const [task] = (await connectorStatus(asked, name)).tasks;
  const runner = workers.find((worker) => idOf(worker) === task?.worker_id);
  if (!runner) throw new Error(`the task runs on ${task?.worker_id}`);
  await end(runner);
  const other = workers.find((worker) => worker !== runner) as MillraceProcess;
  await eventually(
    'another worker runs the task',
    async () => {
      const status = await connectorStatus(other, name);
      return status.tasks[0]?.state === 'RUNNING' && status.tasks[0].worker_id !== idOf(runner);
    },
    90_000,
  );
  return runner;
}
