// Error codes of transformations. Messages are those of Connect's and Debezium's classes.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError } from '@millrace/foundation';

type TransformCode = 'transform.bad_record' | 'transform.schema';

export const transformErrors: Readonly<Record<TransformCode, ErrorCodeInfo>> =
  defineErrorCodes<TransformCode>({
    'transform.bad_record': {
      policy: 'needs_operator',
      remedy:
        'Limit the transform with a predicate to the records it is for, or set errors.tolerance=all to go on without the record.',
    },
    'transform.schema': {
      policy: 'needs_operator',
      remedy: 'Choose another field name in the transform: the record has one of that name.',
    },
  });

const DATA_EXCEPTION = 'org.apache.kafka.connect.errors.DataException';
export const ILLEGAL_ARGUMENT = 'java.lang.IllegalArgumentException';

/** A record that the transform cannot work on. */
export function recordError(
  message: string,
  javaClass: string = DATA_EXCEPTION,
  cause?: unknown,
): MillraceError {
  return new MillraceError('transform.bad_record', message, { javaClass, cause });
}

/** A field that the schema does not have, in the words of `Struct.get`. */
export function noSuchField(name: string): MillraceError {
  return recordError(`${name} is not a valid field name`);
}

/** A schema that cannot be built. */
export function schemaError(message: string): MillraceError {
  return new MillraceError('transform.schema', message, {
    javaClass: 'org.apache.kafka.connect.errors.SchemaBuilderException',
  });
}

/** A setting that is wrong, in Kafka's words. */
export function settingError(configKey: string, message: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
