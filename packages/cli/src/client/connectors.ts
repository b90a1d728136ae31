// `millrace connectors` and `millrace status NAME`: what runs, and what is wrong.
import type { ConnectorInfo, ConnectorStatus } from '@millrace/connect-api';
import type { Command } from 'commander';
import { type RestOptions, restClient, withRest } from './options.ts';
import { paint, paintState, print, renderTable } from './output.ts';
import { connectorPath } from './rest-client.ts';
import { progressText, type SnapshotProgress, snapshotProgress } from './snapshot-progress.ts';

type Expanded = Readonly<Record<string, { readonly status: ConnectorStatus; readonly info: ConnectorInfo }>>;

export function registerConnectors(program: Command): void {
  withRest(program.command('connectors').alias('ls').description('list connectors with their state')).action(
    async (options: RestOptions) => {
      const all = await restClient(options).call<Expanded>('GET', '/connectors?expand=status&expand=info');
      print(options.output, all, () => connectorTable(all));
    },
  );
  withRest(
    program.command('status <name>').description('show one connector, its tasks and their errors'),
  ).action(async (name: string, options: RestOptions) => {
    const client = restClient(options);
    const status = await client.call<ConnectorStatus>('GET', connectorPath(name, '/status'));
    const info = await client.call<ConnectorInfo>('GET', connectorPath(name));
    const snapshot = await snapshotProgress(client, info.config['topic.prefix']);
    print(
      options.output,
      { ...status, ...(snapshot === undefined ? {} : { snapshot }), config: info.config },
      () => statusText(status, info, snapshot),
    );
  });
}

function connectorTable(all: Expanded): string {
  const entries = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return 'No connectors. Create one with: millrace apply -f FILE.json';
  const rows = entries.map(([name, { status }]) => {
    const running = status.tasks.filter((task) => task.state === 'RUNNING').length;
    return [
      name,
      status.type,
      paintState(status.connector.state),
      `${running}/${status.tasks.length} running`,
      firstError(status),
    ];
  });
  return renderTable(['NAME', 'TYPE', 'STATE', 'TASKS', 'ERROR'], rows);
}

/** The first line of the first trace. */
function firstError(status: ConnectorStatus): string {
  const failed = [status.connector, ...status.tasks].find((each) => each.trace !== undefined);
  return failed?.trace?.split('\n')[0] ?? '';
}

function statusText(
  status: ConnectorStatus,
  info: ConnectorInfo,
  snapshot: SnapshotProgress | undefined,
): string {
  const lines = [
    `${paint('Name:', 'bold')}   ${status.name}`,
    `${paint('Type:', 'bold')}   ${status.type}`,
    `${paint('Class:', 'bold')}  ${info.config['connector.class'] ?? ''}`,
    `${paint('State:', 'bold')}  ${paintState(status.connector.state)}  on ${status.connector.worker_id}`,
  ];
  if (snapshot !== undefined) lines.push(`${paint('Snapshot:', 'bold')} ${progressText(snapshot)}`);
  if (status.connector.trace !== undefined) lines.push(indent(status.connector.trace));
  if (status.tasks.length > 0) {
    const rows = status.tasks.map((task) => [String(task.id), paintState(task.state), task.worker_id]);
    lines.push('', renderTable(['TASK', 'STATE', 'WORKER'], rows));
  }
  for (const task of status.tasks)
    if (task.trace !== undefined) lines.push('', `Task ${task.id}:`, indent(task.trace));
  return lines.join('\n');
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
