// Error codes of the data model. Messages are Connect's, since programs and people search for them.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError } from '@millrace/foundation';

type DataCode = 'data.mismatch';

export const dataErrors: Readonly<Record<DataCode, ErrorCodeInfo>> = defineErrorCodes<DataCode>({
  'data.mismatch': {
    policy: 'needs_operator',
    remedy:
      'Correct what produces the value, or set errors.tolerance=all (and a dead letter queue) to go on without it.',
  },
});

/** A value that does not fit its schema. */
export function dataError(message: string, cause?: unknown): MillraceError {
  return new MillraceError('data.mismatch', message, {
    javaClass: 'org.apache.kafka.connect.errors.DataException',
    cause,
  });
}
