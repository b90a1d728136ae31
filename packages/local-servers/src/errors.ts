// Error codes of starting servers on this machine.
import { defineErrorCodes, type ErrorCodeInfo } from '@millrace/foundation';

type LocalServerCode = 'local.no_binaries' | 'local.start_failed';

export const localServerErrors: Readonly<Record<LocalServerCode, ErrorCodeInfo>> =
  defineErrorCodes<LocalServerCode>({
    'local.no_binaries': {
      policy: 'needs_operator',
      remedy:
        'Run npm install again without --omit=optional, or start the server yourself and point Millrace to it.',
    },
    'local.start_failed': {
      policy: 'needs_operator',
      remedy:
        'Read the log named in the message; a taken port or a folder of another user are the usual causes.',
    },
  });
