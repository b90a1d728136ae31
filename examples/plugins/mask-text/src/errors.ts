// What can go wrong, and whether starting the task again can help: `retry`, `needs_operator` or `fatal`.
import { defineErrorCodes, MillraceError, type MillraceErrorOptions } from '@millrace/foundation';

type Code = 'mask-text.no_text';

defineErrorCodes<Code>({
  'mask-text.no_text': {
    policy: 'needs_operator',
    remedy: 'Name a field that holds a text, or leave the transform out.',
  },
});

export function maskError(code: Code, message: string, options: MillraceErrorOptions = {}): MillraceError {
  return new MillraceError(code, message, options);
}
