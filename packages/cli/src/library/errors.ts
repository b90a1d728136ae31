// What can go wrong in the library itself. What the connector throws goes to the program as it is.
import { defineErrorCodes, MillraceError, type MillraceErrorOptions } from '@millrace/foundation';

export type LibraryCode =
  | 'library.invalid_config'
  | 'library.no_source'
  | 'library.no_broker'
  | 'library.offsets'
  | 'library.bad_offsets'
  | 'library.unacknowledged'
  | 'library.in_use';

defineErrorCodes<LibraryCode>({
  'library.invalid_config': {
    policy: 'needs_operator',
    remedy: 'Correct the keys that the message names.',
  },
  'library.no_source': {
    policy: 'needs_operator',
    remedy: 'Give connector.class of a source, such as io.debezium.connector.postgresql.PostgresConnector.',
  },
  'library.no_broker': {
    policy: 'needs_operator',
    remedy: 'Leave kafka out of signal.enabled.channels; signals by table and by file work.',
  },
  'library.offsets': {
    policy: 'retry',
    remedy:
      'Check that offsets can be stored where the options say, then open it again: it goes on where it was.',
  },
  'library.bad_offsets': {
    policy: 'needs_operator',
    remedy: 'Restore what holds the offsets from a copy, or remove it to begin again with a snapshot.',
  },
  'library.unacknowledged': {
    policy: 'fatal',
    remedy:
      'Call ack() on every event, also on those the program has no use for; maxUnacknowledged raises the limit.',
  },
  'library.in_use': {
    policy: 'fatal',
    remedy: 'Read with one loop at a time, and hand events on from there.',
  },
});

export function libraryError(
  code: LibraryCode,
  message: string,
  options: MillraceErrorOptions = {},
): MillraceError {
  return new MillraceError(code, message, options);
}
