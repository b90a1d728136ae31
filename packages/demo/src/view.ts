// The live view: one screen, drawn again in place; on anything but a terminal, a line an event instead.
import type { ConnectorStatus } from '@millrace/connect-api';
import type { ShopEvent } from './events.ts';

export interface ViewState {
  readonly kafka: string;
  readonly rest: string;
  readonly postgres: string;
  readonly redis: string | undefined;
  readonly connectors: readonly ConnectorStatus[];
  readonly perSecond: number;
  readonly total: number;
  /** Records the sink has not written yet; undefined without a sink. */
  readonly lag: number | undefined;
  readonly recent: readonly ShopEvent[];
  readonly cache: { readonly key: string; readonly value: string | null } | undefined;
}

type Paint = (text: string, code: number) => string;

const STATE_COLOURS: Readonly<Record<string, number>> = { RUNNING: 32, FAILED: 31 };
const OP_COLOURS: Readonly<Record<string, number>> = { create: 32, update: 36, delete: 31, read: 90 };

/** The screen as lines. */
export function renderView(state: ViewState, width: number, colour: boolean): string {
  const paint: Paint = (text, code) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const cut = (text: string): string => (text.length > width - 2 ? `${text.slice(0, width - 3)}…` : text);
  const workers = state.connectors.flatMap(({ connector, tasks }) =>
    [connector, ...tasks].map((one) => one.worker_id),
  );
  const several = new Set(workers).size > 1;
  const lines = [
    paint('Millrace demo', 1),
    cut(
      `Postgres ${state.postgres}  →  Kafka ${state.kafka}  →  ${state.redis === undefined ? 'no Redis, so no sink' : `Redis ${state.redis}`}`,
    ),
    cut(`REST ${state.rest}   Ctrl-C stops everything`),
    '',
    paint('CONNECTOR                 STATE      TASKS', 90),
    ...state.connectors.flatMap((connector) => connectorLines(connector, several, paint, cut)),
    '',
    `${paint('Records', 90)} ${state.total}   ${paint('per second', 90)} ${state.perSecond.toFixed(1)}   ${paint('sink lag', 90)} ${state.lag ?? '-'}`,
    '',
    paint('LAST EVENTS', 90),
    ...state.recent.map(
      (event) =>
        `  ${paint(event.op.padEnd(7), OP_COLOURS[event.op] ?? 0)} ${event.table.padEnd(12)} ${event.key}`,
    ),
  ];
  if (state.cache) {
    lines.push(
      '',
      paint('CACHE', 90),
      cut(`  ${state.cache.key}`),
      cut(`  ${state.cache.value ?? '(deleted)'}`),
    );
  }
  return lines.join('\n');
}

/** `several`: says of each task where it runs. */
function connectorLines(
  status: ConnectorStatus,
  several: boolean,
  paint: Paint,
  cut: (text: string) => string,
): string[] {
  const { state } = status.connector;
  const place = (worker: string): string => (several ? ` on ${worker}` : '');
  const tasks =
    status.tasks
      .map((task) => paint(task.state, STATE_COLOURS[task.state] ?? 33) + place(task.worker_id))
      .join(' ') || '-';
  const line = `${status.name.padEnd(25)} ${paint(state.padEnd(10), STATE_COLOURS[state] ?? 33)} ${tasks}`;
  const trace = [status.connector, ...status.tasks].find((each) => each.trace !== undefined)?.trace;
  return trace === undefined ? [line] : [line, paint(cut(`  ${trace.split('\n')[0] ?? ''}`), 31)];
}
