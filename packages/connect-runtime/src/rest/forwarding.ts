// Requests that another worker has to carry out: sent there, and its answer sent back. Each is passed on twice at most,
// as in Connect: by the worker that was asked, and by the leader to where a connector runs.
import { findCoded, MillraceError, messageOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { RestAnswer } from './http.ts';
import type { AskWorker, WorkerAnswer } from './worker-client.ts';

/** A request as it came in. */
export interface IncomingRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly body: string | undefined;
  readonly authorization: string | undefined;
  /** `http://HOST:PORT` or `https://HOST:PORT` as the client called it. */
  readonly base: string;
}

const NO_LEADER =
  'Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.';
const CONFLICT = 'Cannot complete request because of a conflicting operation (e.g. worker rebalance)';
const JSON_TYPE = 'application/json';

/** Where an error says that a request belongs; undefined when it says no such thing. */
export function placeOf(error: unknown): string | undefined {
  const own = error instanceof MillraceError ? error : findCoded(error);
  return own?.code === 'connect.elsewhere' ? String(own.context['url'] ?? '') : undefined;
}

/** Asks the worker at `place`. @throws connect.rebalance, connect.rest_internal */
export async function forward(
  request: IncomingRequest,
  place: string,
  options: { readonly timeoutMs: number; readonly ask: AskWorker; readonly gone: AbortSignal },
): Promise<RestAnswer> {
  const target = new URL(request.target, 'http://worker');
  const hop = target.searchParams.get('forward');
  if (hop !== null && hop.toLowerCase() !== 'true') throw connectError('connect.rebalance', CONFLICT);
  if (place === '') throw connectError('connect.rebalance', NO_LEADER);
  target.searchParams.set('forward', String(hop === null));
  const url = new URL(place);
  url.pathname = url.pathname.replace(/\/$/, '') + target.pathname;
  url.search = target.search;
  let answer: WorkerAnswer;
  try {
    answer = await options.ask(url, {
      method: request.method,
      headers: {
        accept: JSON_TYPE,
        ...(request.body === undefined ? {} : { 'content-type': JSON_TYPE }),
        ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
      },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: AbortSignal.any([options.gone, AbortSignal.timeout(options.timeoutMs)]),
    });
  } catch (error) {
    // It may have been carried out, as far as anybody knows.
    if (options.gone.aborted) throw connectError('connect.rebalance', CONFLICT);
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw connectError(
      'connect.rest_internal',
      `IO Error trying to forward REST request: ${messageOf(reason)}`,
    );
  }
  const { status, location, text } = answer;
  const headers = location === undefined ? {} : { location: request.base + new URL(location, url).pathname };
  if (text === '') return { status, headers };
  return { status, headers, text: { type: JSON_TYPE, content: text } };
}
