// `millrace apply`, `delete`, `pause`, `resume`, `stop`, `restart`: changing connectors.
import type { ConnectorInfo } from '@millrace/connect-api';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { type ConnectorFile, readConnectorFile } from './connector-file.ts';
import { type RestOptions, restClient, withRest } from './options.ts';
import { print } from './output.ts';
import { connectorPath } from './rest-client.ts';

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
