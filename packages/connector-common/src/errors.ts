// Error codes of what source connectors share.
import {
  defineErrorCodes,
  type ErrorCodeInfo,
  MillraceError,
  type MillraceErrorOptions,
} from '@millrace/foundation';

type Code = 'connector.regex_invalid';

const CODES: Record<Code, ErrorCodeInfo> = {
  'connector.regex_invalid': {
    policy: 'needs_operator',
    remedy: 'Correct the regular expression; lists are comma-separated Java patterns that match whole names.',
  },
};
defineErrorCodes(CODES);

export function connectorError(code: Code, message: string, options?: MillraceErrorOptions): MillraceError {
  return new MillraceError(code, message, options);
}
