// How a command that failed ends: three lines (what, why, what to do) and an exit code.
import { findCoded, messageOf, remedyOf } from '@millrace/foundation';

/** 1 = failed, 2 = a config is wrong, 3 = something around us is missing or taken. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 {
  const code = findCoded(error)?.code ?? '';
  if (
    code === 'config.invalid' ||
    code === 'connect.bad_worker_config' ||
    code === 'connect.config_variable'
  ) {
    return 2;
  }
  const system = (error as { code?: string } | undefined)?.code ?? '';
  const around = ['EADDRINUSE', 'EACCES', 'ENOENT', 'ENOSPC', 'ECONNREFUSED'].includes(system);
  return around || /^broker\.|^kafka\.unreachable|^connect\.rest_address/.test(code) ? 3 : 1;
}

/** What failed, why, and what to do about it. */
export function errorLines(what: string, error: unknown): string {
  const lines = [what, `  ${messageOf(error).split('\n').join('\n  ')}`];
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : undefined;
  if (cause !== undefined && cause !== messageOf(error)) lines.push(`  because: ${cause}`);
  const remedy = remedyOf(error);
  if (remedy !== undefined) lines.push(`  what to do: ${remedy}`);
  return `${lines.join('\n')}\n`;
}
