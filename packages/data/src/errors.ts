// Error codes of the data model. Messages are Connect's, since programs and people search for them.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError } from '@millrace/foundation';

type DataCode = 'data.mismatch' | 'data.unconvertible';

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
  return new MillraceError(
    'data.unconvertible',
    `Failed to properly convert data value for '${column}' of type ${type}`,
    { javaClass: 'io.debezium.DebeziumException' },
  );
}

export function isUnconvertible(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'data.unconvertible';
}
