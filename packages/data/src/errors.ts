// Error codes of the data model. Messages are Connect's, since programs and people search for them.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError } from '@millrace/foundation';

type DataCode = 'data.mismatch' | 'data.unconvertible' | 'data.required_unconvertible';

export const dataErrors: Readonly<Record<DataCode, ErrorCodeInfo>> = defineErrorCodes<DataCode>({
  'data.mismatch': {
    policy: 'needs_operator',
    remedy:
      'Correct what produces the value, or set errors.tolerance=all (and a dead letter queue) to go on without it.',
  },
  'data.unconvertible': {
    policy: 'needs_operator',
    remedy:
      'Set event.converting.failure.handling.mode=warn to deliver null in its place, event.processing.failure.handling.mode=warn to leave such changes out, or errors.tolerance=all with errors.deadletterqueue.topic.name to keep them elsewhere.',
  },
  'data.required_unconvertible': {
    policy: 'needs_operator',
    remedy:
      'The field cannot be null. Choose a representation that holds the value (decimal.handling.mode=string for NaN and Infinity), event.processing.failure.handling.mode=warn to leave such changes out, or errors.tolerance=all with errors.deadletterqueue.topic.name to keep them elsewhere.',
  },
});

/** A value that does not fit its schema. */
export function dataError(message: string, cause?: unknown): MillraceError {
  return new MillraceError('data.mismatch', message, {
    javaClass: 'org.apache.kafka.connect.errors.DataException',
    cause,
  });
}

/** A value of a database that its field cannot hold, in Debezium's words. `column` is qualified. */
export function unconvertible(column: string, type: string): MillraceError {
  return new MillraceError('data.unconvertible', unconvertibleText(column, type), {
    javaClass: 'io.debezium.DebeziumException',
  });
}

/** A value of a field that cannot be null, and why there is none; `hint` says what to do where the code's own does not. */
export function requiredValue(
  field: { readonly name: string; readonly type: string },
  why: string,
  hint?: string,
): MillraceError {
  const cause = new MillraceError('data.required_unconvertible', why, {
    javaClass: 'io.debezium.DebeziumException',
    ...(hint === undefined ? {} : { hint }),
  });
  const message = `Invalid value: null used for required field: "${field.name}", schema type: ${field.type.toUpperCase()}`;
  return new MillraceError('data.required_unconvertible', message, {
    javaClass: 'org.apache.kafka.connect.errors.DataException',
    cause,
  });
}

export function unconvertibleText(column: string, type: string): string {
  return `Failed to properly convert data value for '${column}' of type ${type}`;
}

export function isUnconvertible(error: unknown): boolean {
  return (
    error instanceof MillraceError &&
    (error.code === 'data.unconvertible' || error.code === 'data.required_unconvertible')
  );
}
