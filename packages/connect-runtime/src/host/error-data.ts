// Errors across a process border.
import { CONNECT_EXCEPTION, MillraceError } from '@millrace/foundation';
import type { ErrorData } from './child-messages.ts';

const MAX_CAUSES = 8;

export function errorData(thrown: unknown, depth = 0): ErrorData {
  if (!(thrown instanceof Error)) return { message: String(thrown), code: null, stack: '' };
  const { message, stack = '', cause } = thrown;
  const further = cause === undefined || depth >= MAX_CAUSES ? undefined : errorData(cause, depth + 1);
  if (!(thrown instanceof MillraceError)) return { message, code: null, stack, cause: further };
  const { code, configKey, hint, javaClass } = thrown;
  return { message, code, configKey, hint, javaClass, stack, cause: further };
}

/** The error again, with the stack it had. */
export function errorOf(data: ErrorData): Error {
  const { message, code, configKey, hint, stack } = data;
  const cause = data.cause === undefined ? undefined : errorOf(data.cause);
  const error =
    code === null
      ? new Error(message, { cause })
      : new MillraceError(code, message, {
          cause,
          javaClass: data.javaClass ?? CONNECT_EXCEPTION,
          ...(configKey === undefined ? {} : { configKey }),
          ...(hint === undefined ? {} : { hint }),
        });
  error.stack = stack;
  return error;
}
