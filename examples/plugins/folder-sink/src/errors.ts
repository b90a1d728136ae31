// What can go wrong, and whether starting the task again can help: `retry`, `needs_operator` or `fatal`.
import { defineErrorCodes, MillraceError, type MillraceErrorOptions } from '@millrace/foundation';

type Code = 'folder-sink.unwritable' | 'folder-sink.no_text';

defineErrorCodes<Code>({
  'folder-sink.unwritable': {
    policy: 'retry',
    remedy: 'Check that the folder is there, that this user may write to it, and that the disk is not full.',
  },
  'folder-sink.no_text': {
    policy: 'needs_operator',
    remedy: 'Set value.converter=org.apache.kafka.connect.storage.StringConverter for this connector.',
  },
});

export function folderError(code: Code, message: string, options: MillraceErrorOptions = {}): MillraceError {
  return new MillraceError(code, message, options);
}
