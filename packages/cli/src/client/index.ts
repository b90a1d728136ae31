// The client commands: everything that talks to a running Millrace, Kafka Connect or Kafka.
import type { Command } from 'commander';
import { renderError, toCliError } from './cli-error.ts';
import { registerConnectors } from './connectors.ts';
import { registerConsume } from './consume.ts';
import { registerGroups } from './groups.ts';
import { registerLifecycle } from './lifecycle.ts';
import { coloured, paint, watchOutput } from './output.ts';
import { registerProduce } from './produce.ts';
import { registerTopics } from './topics.ts';

export const clientCommands: readonly ((program: Command) => void)[] = [
  registerConnectors,
  registerLifecycle,
  registerTopics,
  registerGroups,
  registerConsume,
  registerProduce,
];

export { watchOutput };

/** Reports a failed command in three lines and sets the exit code. */
export function reportFailure(error: unknown): void {
  const failure = toCliError(error);
  const on = coloured(process.stderr);
  process.stderr.write(renderError(failure, (text) => paint(text, 'red', on)));
  process.exitCode = failure.exitCode;
}
