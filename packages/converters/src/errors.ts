// Error codes of converters. Messages are Connect's, since programs and people search for them.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError } from '@millrace/foundation';

type ConverterCode = 'convert.bad_bytes';

export const converterErrors: Readonly<Record<ConverterCode, ErrorCodeInfo>> =
  defineErrorCodes<ConverterCode>({
    'convert.bad_bytes': {
      policy: 'needs_operator',
      remedy:
        'Check that the converter matches what was written to the topic, or set errors.tolerance=all (and a dead letter queue) to go on without it.',
    },
  });

const DATA_EXCEPTION = 'org.apache.kafka.connect.errors.DataException';

/** What an exception of Java stands for below another. */
export function causedBy(javaClass: string, message: string, cause?: unknown): MillraceError {
  return new MillraceError('convert.bad_bytes', message, { javaClass, cause });
}
export const SERIALIZATION_EXCEPTION = 'org.apache.kafka.common.errors.SerializationException';

/** Bytes that are not what the converter reads. */
export function bytesError(message: string, cause?: unknown): MillraceError {
  return new MillraceError('convert.bad_bytes', message, { javaClass: DATA_EXCEPTION, cause });
}
