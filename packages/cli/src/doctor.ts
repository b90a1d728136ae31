// `millrace doctor`: what a connector needs around it, point by point, before it is started.
import type { ConnectorPlugin, Finding, PluginEntry } from '@millrace/connect-api';
import { type Command, Option } from 'commander';
import { CliError } from './client/cli-error.ts';
import { readConnectorFile } from './client/connector-file.ts';
import { coloured, type OutputFormat, paint, print } from './client/output.ts';

interface DoctorOptions {
  readonly file: string;
  readonly output: OutputFormat;
}

/** Short names, as people say them, by class. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  postgres: 'io.debezium.connector.postgresql.PostgresConnector',
};
const COLOURS = { ok: 'green', warning: 'yellow', problem: 'red' } as const;
const TIMEOUT_MS = 60_000;

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check what a connector needs, and print how to get it')
    .argument('[source]', `kind of connector: ${Object.keys(SHORT_NAMES).join(', ')}`)
    .requiredOption('-f, --file <file>', 'JSON file with the config')
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'),
    )
    .action(async (source: string | undefined, options: DoctorOptions) => {
      const { config } = readConnectorFile(options.file);
      const resolved = await withVariables(config);
      const plugin = await pluginOf(source, resolved['connector.class']);
      const findings = (await plugin.examine?.(resolved, AbortSignal.timeout(TIMEOUT_MS))) ?? [];
      print(options.output, findings, () => render(findings));
      process.exitCode = exitCodeOf(findings);
    });
}

async function withVariables(config: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const { withVariables: resolve } = await import('./read-properties.ts');
  return await resolve({ ...config });
}

/** @throws CliError when there is no such connector, or it has no check list */
async function pluginOf(source: string | undefined, className: string | undefined): Promise<ConnectorPlugin> {
  const named = source === undefined ? undefined : SHORT_NAMES[source];
  if (source !== undefined && named === undefined) {
    throw new CliError(
      `There is no check list for ${source}`,
      `known are: ${Object.keys(SHORT_NAMES).join(', ')}`,
      'Name one of them, or leave it out.',
      2,
    );
  }
  const wanted = named ?? className;
  const { pluginEntries } = await import('./plugins.ts');
  const plugin = await pluginEntries.find((entry) => isNamed(entry, wanted))?.load();
  if (plugin === undefined || !('examine' in plugin) || plugin.examine === undefined) {
    throw new CliError(
      `There is no check list for ${wanted ?? 'a config without connector.class'}`,
      'the connector does not bring one',
      `Write what is to be checked: millrace doctor ${Object.keys(SHORT_NAMES).join('|')} -f FILE`,
      2,
    );
  }
  return plugin;
}

function isNamed({ className, aliases }: PluginEntry, name: string | undefined): boolean {
  return name !== undefined && (className === name || aliases?.includes(name) === true);
}

function render(findings: readonly Finding[]): string {
  const on = coloured();
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, state, detail, fix }) => [
    `${paint(state.padEnd(8), COLOURS[state], on)} ${check.padEnd(width)}  ${detail}`,
    ...(fix ?? []).map((line) => `${' '.repeat(9)}${' '.repeat(width)}  ${paint(line, 'cyan', on)}`),
  ]);
  const count = (state: Finding['state']): number =>
    findings.filter((finding) => finding.state === state).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  const plural = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  return [...lines, '', `${plural(problems, 'problem')}, ${plural(warnings, 'warning')}`].join('\n');
}

/** 0 = it will run; 2 = the config is wrong; 3 = something around it is. */
function exitCodeOf(findings: readonly Finding[]): 0 | 2 | 3 {
  const problems = findings.filter(({ state }) => state === 'problem');
  if (problems.length === 0) return 0;
  return problems.some(({ about }) => about === 'config') ? 2 : 3;
}
