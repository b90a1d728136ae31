// `millrace slots`: what connectors keep at their sources, and what connectors that are gone have left there.
import type { ConnectorInfo, ConnectorPlugin, FoundAtSource } from '@millrace/connect-api';
import { messageOf } from '@millrace/foundation';
import type { Command } from 'commander';
import { readConnectorFile } from './connector-file.ts';
import { type RestOptions, restClient, withRest } from './options.ts';
import { paint, print, renderTable } from './output.ts';

interface SlotsOptions extends RestOptions {
  readonly file?: readonly string[];
}

type Config = Readonly<Record<string, string>>;

/** A slot, and the connector whose it is; null = no connector names it. */
interface Slot extends FoundAtSource {
  readonly connector: string | null;
}

interface Found {
  readonly slots: readonly Slot[];
  /** Sources that could not be asked. */
  readonly problems: readonly { readonly connector: string; readonly problem: string }[];
}

const TIMEOUT_MS = 30_000;

export function registerSlots(program: Command): void {
  withRest(
    program
      .command('slots')
      .description('list the replication slots at the sources of the connectors, and those left behind')
      .option('-f, --file <file...>', 'JSON files with configs, for sources that no connector reads any more')
      .addHelpText(
        'after',
        `
Examples:
  millrace slots                      the databases of all connectors of the worker
  millrace slots -f old-source.json   and that of a connector which is deleted`,
      ),
  ).action(async (options: SlotsOptions) => {
    const configs = await configsOf(options);
    const found = await find(configs);
    print(options.output, found, () => render(found));
    if (found.problems.length > 0) process.exitCode = 3;
  });
}

/** Configs of the worker's connectors and of the files; the latter belong to no connector. */
async function configsOf(options: SlotsOptions): Promise<Map<string, { config: Config; deployed: boolean }>> {
  const all = await restClient(options).call<Record<string, { info: ConnectorInfo }>>(
    'GET',
    '/connectors?expand=info',
  );
  const configs = new Map(
    Object.entries(all).map(([name, { info }]) => [name, { config: info.config, deployed: true }]),
  );
  for (const file of options.file ?? []) {
    const { name, config } = readConnectorFile(file);
    if (!configs.has(name)) configs.set(name, { config, deployed: false });
  }
  return configs;
}

async function find(configs: ReadonlyMap<string, { config: Config; deployed: boolean }>): Promise<Found> {
  const owners = new Map<string, string>();
  const sources = new Map<string, { connector: string; plugin: ConnectorPlugin; config: Config }>();
  const problems: { connector: string; problem: string }[] = [];
  for (const [connector, { config: raw, deployed }] of configs) {
    try {
      const plugin = await pluginOf(raw['connector.class'] ?? '');
      if (plugin?.findAtSource === undefined) continue;
      const { withVariables } = await import('../read-properties.ts');
      const config = await withVariables({ ...raw });
      const kept = plugin.leavesBehind?.({ ...config, 'slot.drop.on.stop': 'false' });
      if (kept === undefined) continue;
      if (deployed) owners.set(`${kept.where} ${kept.name}`, connector);
      if (!sources.has(kept.where)) sources.set(kept.where, { connector, plugin, config });
    } catch (error) {
      problems.push({ connector, problem: messageOf(error) });
    }
  }
  const slots: Slot[] = [];
  for (const { connector, plugin, config } of sources.values()) {
    try {
      const found = (await plugin.findAtSource?.(config, AbortSignal.timeout(TIMEOUT_MS))) ?? [];
      for (const slot of found) {
        slots.push({ ...slot, connector: owners.get(`${slot.where} ${slot.name}`) ?? null });
      }
    } catch (error) {
      problems.push({ connector, problem: messageOf(error) });
    }
  }
  return { slots, problems };
}

async function pluginOf(className: string): Promise<ConnectorPlugin | undefined> {
  const { pluginEntries } = await import('../plugins.ts');
  const entry = pluginEntries.find((one) => one.className === className || one.aliases?.includes(className));
  if (entry?.kind !== 'source') return undefined;
  return (await entry.load()) as ConnectorPlugin;
}

function render({ slots, problems }: Found): string {
  const rows = slots.map(({ name, where, active, keptBytes, state, connector }) => [
    name,
    where,
    active ? paint('yes', 'green') : paint('no', 'yellow'),
    keptBytes === null ? '?' : size(keptBytes),
    state,
    connector ?? paint('none', 'yellow'),
  ]);
  const table =
    rows.length === 0
      ? 'No slots.'
      : renderTable(['SLOT', 'DATABASE', 'READ', 'WAL KEPT', 'STATE', 'CONNECTOR'], rows);
  const left = slots.filter(({ connector, active }) => connector === null && !active);
  const advice =
    left.length === 0
      ? []
      : [
          '',
          'No connector of this worker names these, and nobody reads them. When they are not needed any more:',
          ...left.map(({ release, where }) => `  ${paint(release, 'cyan')}  -- at ${where}`),
        ];
  return [
    table,
    ...advice,
    ...problems.map(({ connector, problem }) => `${paint('?', 'red')} ${connector}: ${problem}`),
  ].join('\n');
}

/** Such as `12.3 MB`. */
function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
