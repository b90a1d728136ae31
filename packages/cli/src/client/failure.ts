// How a failed command ends.
import { renderError, toCliError } from './cli-error.ts';
import { coloured, paint } from './output.ts';

/** Reports a failed command in three lines and sets the exit code. */
export function reportFailure(error: unknown): void {
  const failure = toCliError(error);
  const on = coloured(process.stderr);
  process.stderr.write(renderError(failure, (text) => paint(text, 'red', on)));
  process.exitCode = failure.exitCode;
}
