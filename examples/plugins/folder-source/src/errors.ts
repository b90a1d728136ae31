// What can go wrong, and whether starting the task again can help: `retry`, `needs_operator` or `fatal`.
import { defineErrorCodes, MillraceError, type MillraceErrorOptions } from '@millrace/foundation';

type Code = 'folder-source.unreadable';

defineErrorCodes<Code>({
  'folder-source.unreadable': {
    policy: 'retry',
    remedy: 'Check that the folder is there and that this user may read it.',
  },
});

export function folderError(code: Code, message: string, options: MillraceErrorOptions = {}): MillraceError {
  return new MillraceError(code, message, options);
}
