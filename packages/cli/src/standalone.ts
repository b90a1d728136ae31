// `millrace standalone`: a worker without a group, as Connect's connect-standalone.sh runs it. Its connectors come from
// files, its source offsets are in a file; configs and states end with it.
import { readFileSync } from 'node:fs';
import type { StandaloneConnector } from '@millrace/connect-runtime';
import { MillraceError, messageOf } from '@millrace/foundation';
import type { Command } from 'commander';
import { readConnectorFile } from './client/connector-file.ts';
import { readProperties } from './read-properties.ts';
import { examples, runMillrace, type StartFlags, startMillrace, withStartOptions } from './start.ts';

const STATES = { RUNNING: 'STARTED', PAUSED: 'PAUSED', STOPPED: 'STOPPED' } as const;

export function registerStandalone(program: Command): void {
  withStartOptions(program.command('standalone'))
    .description('run a worker without a group: connectors from files, source offsets in a file')
    .argument(
      '<worker.properties>',
      'worker settings, as Kafka Connect has them (connect-standalone.properties)',
    )
    .argument(
      '[connector...]',
      'files of connectors: .properties, or JSON with {name, config} or the config alone',
    )
    .addHelpText(
      'after',
      examples([
        [
          'millrace standalone connect-standalone.properties connect-file-source.properties',
          'on the Kafka that bootstrap.servers names',
        ],
        [
          'millrace standalone worker.properties orders.json --kafka 127.0.0.1:9092 --data ./data',
          'on the bundled broker',
        ],
      ]),
    )
    .action(async (propertiesFile: string, files: readonly string[], flags: StartFlags) => {
      await runMillrace(flags, async (parts) => {
        const connectors = files.map(readStandaloneConnector);
        return await startMillrace(propertiesFile, flags, parts, { connectors });
      });
    });
}

/** A connector of a file in either form. @throws config.invalid that names the file */
export function readStandaloneConnector(file: string): StandaloneConnector {
  return looksLikeJson(file) ? fromJson(file) : fromProperties(file);
}

/** What is in a file decides, not its name, as in Connect. */
function looksLikeJson(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').trimStart().startsWith('{');
  } catch (error) {
    throw invalid(file, `cannot be read: ${messageOf(error)}`, 'Give the path of a file this user may read.');
  }
}

function fromJson(file: string): StandaloneConnector {
  let read: ReturnType<typeof readConnectorFile>;
  try {
    read = readConnectorFile(file);
  } catch (error) {
    throw invalid(file, messageOf(error), 'Write {"name": "...", "config": {...}} or the config alone.');
  }
  const { name, config, initialState } = read;
  if (initialState === undefined) return { file, name, config };
  const state = Object.entries(STATES).find(([known]) => known === initialState.toUpperCase())?.[1];
  if (state === undefined) {
    throw invalid(file, `initial_state is ${initialState}`, 'It is RUNNING, PAUSED or STOPPED.');
  }
  return { file, name, config, initialState: state };
}

function fromProperties(file: string): StandaloneConnector {
  const config = readProperties(file);
  const name = config['name']?.trim();
  if (!name) throw invalid(file, 'has no name', 'Add a line name=NAME.');
  return { file, name, config };
}

function invalid(file: string, what: string, hint: string): MillraceError {
  return new MillraceError('config.invalid', `The connector file ${file}: ${what}.`, {
    configKey: file,
    hint,
  });
}
