// Error codes of starting servers on this machine.
import { defineErrorCodes, type ErrorCodeInfo } from '@millrace/foundation';

type LocalServerCode = 'local.fetch_failed' | 'local.no_binaries' | 'local.start_failed';

export const localServerErrors: Readonly<Record<LocalServerCode, ErrorCodeInfo>> =
  defineErrorCodes<LocalServerCode>({
    'local.fetch_failed': {
      policy: 'needs_operator',
      remedy:
        'Look at the answer of npm above: npm and its registry have to be reachable. Or set PG_BIN to the bin folder of a Postgres of your own, version 14 or later.',
    },
    'local.no_binaries': {
      policy: 'needs_operator',
      remedy:
        'Run npm install again without --omit=optional, or set PG_BIN to the bin folder of a Postgres of your own, version 14 or later.',
    },
    'local.start_failed': {
      policy: 'needs_operator',
      remedy:
        'Read the log named in the message; a taken port or a folder of another user are the usual causes.',
    },
  });
