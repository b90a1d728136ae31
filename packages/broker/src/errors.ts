// Error codes of the broker's own failures. What clients get over the wire are Kafka's codes, a table of their own.
import {
  defineErrorCodes,
  type ErrorContext,
  findCoded,
  MillraceError,
  messageOf,
} from '@millrace/foundation';

/** Codes of this package. */
export type BrokerErrorCode =
  | 'broker.address_in_use'
  | 'broker.data_folder_locked'
  | 'broker.data_folder_invalid'
  | 'broker.log_changed'
  | 'broker.log_corrupt'
  | 'broker.storage_failed'
  | 'broker.thread_failed';

defineErrorCodes<BrokerErrorCode>({
  'broker.address_in_use': {
    policy: 'needs_operator',
    remedy: 'Stop the program that listens there, or choose another address with `listeners`.',
  },
  'broker.data_folder_locked': {
    policy: 'needs_operator',
    remedy: 'Another process uses this data folder; stop it or choose another folder.',
  },
  'broker.data_folder_invalid': {
    policy: 'needs_operator',
    remedy: 'Restore the named file from a backup, or start with another data folder.',
  },
  'broker.log_changed': {
    policy: 'retry',
    remedy: 'A partition was deleted or changed while it was cleaned; the next cleaning sees what there is.',
  },
  'broker.log_corrupt': {
    policy: 'needs_operator',
    remedy: 'Records that were durable are damaged; restore the partition folder or delete the topic.',
  },
  'broker.storage_failed': {
    policy: 'needs_operator',
    remedy: 'The disk refused to make data durable; check it, then restart.',
  },
  'broker.thread_failed': {
    policy: 'retry',
    remedy: 'The broker stopped unexpectedly; its log is recovered at the next start.',
  },
});

/** Makes a coded error of this package. */
export function brokerError(
  code: BrokerErrorCode,
  message: string,
  context: ErrorContext = {},
  cause?: unknown,
): MillraceError {
  return new MillraceError(code, message, cause === undefined ? { context } : { context, cause });
}

/** An answer with a Kafka error code, raised where a handler cannot go on. */
export class KafkaFailure extends Error {
  readonly errorCode: number;

  constructor(error: { readonly code: number; readonly message: string }, message: string = error.message) {
    super(message);
    this.errorCode = error.code;
  }
}

/** An error as it crosses a thread border. */
export interface WireError {
  readonly message: string;
  readonly code: string | undefined;
  readonly configKey: string | undefined;
  readonly javaClass: string | undefined;
  readonly context: ErrorContext;
}

/** Makes an error fit for postMessage. */
export function wireError(error: unknown): WireError {
  const coded = findCoded(error);
  return {
    message: messageOf(error),
    code: coded?.code,
    configKey: coded?.configKey,
    javaClass: coded?.javaClass,
    context: coded?.context ?? {},
  };
}

/** The other direction of `wireError`. */
export function reviveError(error: WireError): MillraceError {
  return new MillraceError(error.code ?? 'broker.thread_failed', error.message, {
    context: error.context,
    ...(error.configKey === undefined ? {} : { configKey: error.configKey }),
    ...(error.javaClass === undefined ? {} : { javaClass: error.javaClass }),
  });
}
