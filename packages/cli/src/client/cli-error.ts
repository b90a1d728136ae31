// Failures as a person reads them: what happened, why, what to do. Exit codes: 1 other, 2 config, 3 environment.
import { findCoded, messageOf, remedyOf } from '@millrace/foundation';

export type ExitCode = 1 | 2 | 3;

export class CliError extends Error {
  readonly why: string;
  readonly fix: string;
  readonly exitCode: ExitCode;

  constructor(what: string, why: string, fix: string, exitCode: ExitCode = 1) {
    super(what);
    this.why = why;
    this.fix = fix;
    this.exitCode = exitCode;
  }
}

/** Anything thrown as a CliError. */
export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const code = findCoded(error)?.code ?? '';
  const exitCode = code.startsWith('config.')
    ? 2
    : /unreachable|unavailable|connect|local\./.test(code)
      ? 3
      : 1;
  // The remedies of the client are for connectors, which restart; a command is run again.
  if (code === 'kafka.refused')
    return new CliError(messageOf(error), 'the broker refused it', 'Correct that and run the command again.');
  const cause =
    error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : code || 'unexpected error';
  return new CliError(
    messageOf(error),
    cause,
    remedyOf(error) ?? 'Run the command again with --help, or look into the log of millrace.',
    exitCode,
  );
}

/** The three lines on stderr. */
export function renderError(error: CliError, paint: (text: string) => string): string {
  const lines = [`${paint('Error:')} ${error.message}`, `  Why: ${error.why}`, `  Do:  ${error.fix}`];
  return `${lines.join('\n')}\n`;
}
