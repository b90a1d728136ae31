// Error codes of the file connectors.
import {
  defineErrorCodes,
  type ErrorCodeInfo,
  MillraceError,
  type MillraceErrorOptions,
} from '@millrace/foundation';

type FileErrorCode = 'file.no_input' | 'file.unreadable' | 'file.write_failed' | 'file.bad_offset';

defineErrorCodes({
  'file.no_input': {
    policy: 'needs_operator',
    remedy: 'Set `file` to the path of the file to read: a worker has no standard input to read from.',
  },
  'file.unreadable': {
    policy: 'retry',
    remedy: 'Put a file that the worker may read in its place; it is opened as soon as there is one.',
  },
  'file.write_failed': {
    policy: 'retry',
    remedy: 'Check that the folder of the file exists, is writable and has space left.',
  },
  'file.bad_offset': {
    policy: 'needs_operator',
    remedy: 'Send offsets of the form {"partition": {"filename": PATH}, "offset": {"position": BYTES}}.',
  },
} satisfies Record<FileErrorCode, ErrorCodeInfo>);

/** Makes an error of one of this package's codes. */
export function fileError(
  code: FileErrorCode,
  message: string,
  options: MillraceErrorOptions = {},
): MillraceError {
  return new MillraceError(code, message, options);
}
