// `millrace apply`, `delete`, `pause`, `resume`, `stop`, `restart`: changing connectors.
import { readFileSync } from 'node:fs';
import type { ConnectorInfo } from '@millrace/connect-api';
import { messageOf } from '@millrace/foundation';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { type RestOptions, restClient, withRest } from './options.ts';
import { print } from './output.ts';
import { connectorPath } from './rest-client.ts';

/** A connector as a file holds it: Connect's `{name, config}` or the flat map with `name` in it. */
export interface ConnectorFile {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
}

export function registerLifecycle(program: Command): void {
  withRest(
    program
      .command('apply')
      .description('create connectors or change their configs')
      .requiredOption('-f, --file <files...>', 'JSON files'),
  ).action(async (options: RestOptions & { file: string[] }) => {
    const client = restClient(options);
    // All files are read before the first is sent: a typo in the last changes nothing.
    const files = options.file.map(readConnectorFile);
    const applied: ConnectorInfo[] = [];
    for (const { name, config } of files) {
      try {
        applied.push(await client.call<ConnectorInfo>('PUT', connectorPath(name, '/config'), config));
      } catch (error) {
        throw error instanceof CliError ? withRefusedValues(error, config) : error;
      }
    }
    print(options.output, applied, () => applied.map(({ name }) => `${name} applied`).join('\n'));
  });
  const change = (verb: string, done: string, description: string, method: string, suffix: string): void => {
    withRest(program.command(`${verb} <names...>`).description(description)).action(
      async (names: string[], options: RestOptions) => {
        const client = restClient(options);
        for (const name of names) await client.call(method, connectorPath(name, suffix));
        print(options.output, { [done]: names }, () => names.map((name) => `${name} ${done}`).join('\n'));
      },
    );
  };
  change('delete', 'deleted', 'delete connectors; their offsets stay', 'DELETE', '');
  change('pause', 'paused', 'pause connectors; their tasks stay', 'PUT', '/pause');
  change('resume', 'resumed', 'resume paused or stopped connectors', 'PUT', '/resume');
  change('stop', 'stopped', 'stop connectors; their tasks end, offsets can be changed', 'PUT', '/stop');
  withRest(
    program
      .command('restart <name>')
      .description('restart a connector and its tasks')
      .option('--failed-only', 'only what failed')
      .option('--connector-only', 'not its tasks')
      .option('--task <id>', 'only this task'),
  ).action(
    async (
      name: string,
      options: RestOptions & { failedOnly?: true; connectorOnly?: true; task?: string },
    ) => {
      const query = `?includeTasks=${options.connectorOnly !== true}&onlyFailed=${options.failedOnly === true}`;
      const path =
        options.task === undefined
          ? `/restart${query}`
          : `/tasks/${encodeURIComponent(options.task)}/restart`;
      await restClient(options).call('POST', connectorPath(name, path));
      print(options.output, { restarted: name }, () => `${name} restarting`);
    },
  );
}

/** Debezium's messages name the key and what it expects: the value that was given is added, except for secrets. */
function withRefusedValues(error: CliError, config: ConnectorFile['config']): CliError {
  const problems = [...new Set(error.why.split('; '))].map((problem) => {
    const key = /^The '([^']+)' value is invalid/.exec(problem)?.[1] ?? '';
    const value = config[key];
    return value === undefined || /password|secret|token|\.key/.test(key)
      ? problem
      : `${problem} (it is '${value}')`;
  });
  return new CliError(error.message, problems.join('; '), error.fix, error.exitCode);
}

/** @throws CliError that names the file and what is wrong in it */
export function readConnectorFile(file: string): ConnectorFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(
      `Cannot read ${file}`,
      messageOf(error),
      'Name a JSON file with a connector config.',
      2,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${file} is not JSON`, messageOf(error), 'Correct the file at that position.', 2);
  }
  const shape =
    'Write {"name": "...", "config": {"connector.class": "...", ...}} or the config alone with "name" in it.';
  if (!isObject(json))
    throw new CliError(`${file} holds no connector`, 'the document is not an object', shape, 2);
  const config = isObject(json['config']) ? json['config'] : json;
  const name = json['name'] ?? config['name'];
  if (typeof name !== 'string' || name === '')
    throw new CliError(`${file} names no connector`, '"name" is missing', shape, 2);
  const entries = Object.entries(config).map(([key, value]) => {
    if (isObject(value) || Array.isArray(value)) {
      throw new CliError(
        `${file}: ${key} has an object as value`,
        'config values are text, numbers or booleans',
        shape,
        2,
      );
    }
    return [key, String(value)] as const;
  });
  return { name, config: Object.fromEntries(entries) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
