// Which HTTP status an error becomes.
import { findCoded, MillraceError, messageOf } from '@millrace/foundation';
import type { ConnectCode } from '../errors.ts';

const STATUS: Partial<Record<ConnectCode, number>> = {
  'connect.bad_request': 400,
  'connect.not_found': 404,
  'connect.conflict': 409,
  'connect.rebalance': 409,
  'connect.starting': 503,
  'connect.forbidden': 403,
};

/** Status and text of the answer for anything that was thrown; what is no answer of its own is a 500. */
export function restError(error: unknown): { readonly status: number; readonly message: string } {
  const own = error instanceof MillraceError ? error : findCoded(error);
  const status = own ? STATUS[own.code as ConnectCode] : undefined;
  return { status: status ?? 500, message: messageOf(error) };
}
