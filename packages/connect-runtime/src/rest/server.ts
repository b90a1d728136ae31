// The REST server: Connect's API on fastify, with Connect's statuses, headers and texts.
import type { RequestListener } from 'node:http';
import { type Clock, findCoded, type Logger } from '@millrace/foundation';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Users } from '../config/rest-users.ts';
import { connectError } from '../errors.ts';
import type { CrossOrigin } from './cross-origin.ts';
import { restError } from './errors.ts';
import { forward, placeOf } from './forwarding.ts';
import { errorBody, type RestAnswer, type Route, RouteTable, sendRaw, toRestRequest } from './http.ts';
import { applyHeaders, type HeaderRule } from './response-headers.ts';
import type { AskWorker } from './worker-client.ts';

export interface RestAppOptions {
  readonly routes: readonly Route[];
  readonly logger: Logger;
  readonly clock: Clock;
  /** How other workers are asked. */
  readonly ask: AskWorker;
  /** Fires when the worker that is asked at an address may never answer. */
  readonly gone: (url: string) => AbortSignal;
  readonly crossOrigin?: CrossOrigin;
  /** Headers that every answer has. */
  readonly headers?: readonly HeaderRule[];
  /** Who may log in; absent = nobody has to. */
  readonly users?: Users;
  /** How long a request may take before it is answered with 500. */
  readonly requestTimeoutMs?: number;
}

/** Answers requests of any number of listeners. */
export interface RestApp extends AsyncDisposable {
  readonly answer: RequestListener;
}

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain';
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;
const MAX_NAME_BYTES = 4096;
const REQUEST_TIMEOUT_MS = 90_000;

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  404: 'HTTP 404 Not Found',
  405: 'HTTP 405 Method Not Allowed',
  406: 'HTTP 406 Not Acceptable',
  413: 'HTTP 413 Request Entity Too Large',
  415: 'HTTP 415 Unsupported Media Type',
};

/** Connect's API over these routes. */
export async function createRestApp(options: RestAppOptions): Promise<RestApp> {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_NAME_BYTES, caseSensitive: true },
    exposeHeadRoutes: true,
  });
  const table = new RouteTable(options.routes);
  parseBodiesAsText(app);
  app.addHook('onRequest', (request, reply, done) => {
    options.crossOrigin?.apply(request.raw, reply.raw);
    if (options.headers) applyHeaders(options.headers, reply.raw, options.clock.nowMs());
    const path = pathOf(request);
    if (path.includes('//')) bare(reply, 400, 'Ambiguous URI empty segment');
    else done();
  });
  for (const route of options.routes) {
    app.route({
      method: route.method,
      url: route.path,
      handler: async (request, reply) => {
        if (route.ownFormat !== true && !acceptsJson(request.headers.accept)) return bare(reply, 406);
        if (route.betweenWorkers === true || loggedIn(options, request)) {
          await answer(options, route, request, reply);
        } else if (route.briefWithoutLogin === true) {
          await answer(options, briefly(route), request, reply);
        } else notLoggedIn(reply, JSON_TYPE);
      },
    });
  }
  app.setNotFoundHandler((request, reply) => notRouted(options, table, request, reply));
  app.setErrorHandler((error, request, reply) => notHandled(options, error, request, reply));
  await app.ready();
  return {
    answer: (request, response) => app.routing(request, response),
    [Symbol.asyncDispose]: async () => {
      await app.close();
    },
  };
}

function loggedIn({ users }: RestAppOptions, request: FastifyRequest): boolean {
  return users === undefined || users.allows(request.headers.authorization);
}

/** Connect's text, and beside it what lets browsers and curl ask for a login. */
function notLoggedIn(reply: FastifyReply, type: string): void {
  sendRaw(reply, 401, 'User cannot access the resource.', {
    'content-type': type,
    'www-authenticate': 'Basic realm="Kafka Connect"',
  });
}

/** The route without the texts of its answer, which name connectors. */
function briefly(route: Route): Route {
  return {
    ...route,
    handle: async (request) => {
      const { status, body } = await route.handle(request);
      return { status, body: { status: (body as { status?: unknown } | undefined)?.status } };
    },
  };
}

/** Handlers read bodies themselves: what is no JSON is their error, in Connect's words. */
function parseBodiesAsText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(/^application\/json(\s*;.*)?$/i, { parseAs: 'string' }, (_request, body, done) =>
    done(null, body),
  );
}

async function answer(
  options: RestAppOptions,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  let result: RestAnswer;
  try {
    result = await withTimeout(options, async () => await handleOrForward(options, route, request));
  } catch (error) {
    const { status, message } = restError(error);
    // Requests that could not be understood are the client's mistake, whatever status Connect gives them.
    const log = findCoded(error) === undefined ? 'error' : 'debug';
    options.logger[log](
      { err: error, method: request.method, path: pathOf(request), status },
      'request failed',
    );
    sendRaw(reply, status, errorBody(status, message), { 'content-type': JSON_TYPE });
    return;
  }
  const { status, body, text, headers } = result;
  if (text) sendRaw(reply, status, text.content, { 'content-type': text.type, ...headers });
  else if (body === undefined) sendRaw(reply, status, '', headers);
  else sendRaw(reply, status, jsonText(body), { 'content-type': JSON_TYPE, ...headers });
}

async function handleOrForward(
  options: RestAppOptions,
  route: Route,
  request: FastifyRequest,
): Promise<RestAnswer> {
  const asked = toRestRequest(request);
  try {
    return await route.handle(asked);
  } catch (error) {
    const place = placeOf(error);
    if (place === undefined) throw error;
    // Whoever asked does so again perhaps, and something else: what a cut network brings late is not passed on.
    if (request.raw.socket.destroyed) throw connectError('connect.rebalance', 'Nobody waits for the answer.');
    const { body, base } = asked;
    const { authorization } = request.headers;
    return await forward({ method: request.method, target: request.url, body, authorization, base }, place, {
      timeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      ask: options.ask,
      gone: options.gone(place),
    });
  }
}

/** JSON with every digit of integers beyond 2^53. */
function jsonText(body: unknown): string {
  const big: string[] = [];
  const text = JSON.stringify(body, (_key, value: unknown) => {
    if (typeof value !== 'bigint') return value;
    big.push(value.toString());
    return `\u0000bigint${big.length - 1}\u0000`;
  });
  return big.length === 0
    ? text
    : text.replace(/"\\u0000bigint(\d+)\\u0000"/g, (_match, index: string) => big[Number(index)] ?? '0');
}

async function withTimeout<T>(options: RestAppOptions, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const timeout = options.clock.sleep(timeoutMs, done.signal).then((): never => {
    throw connectError('connect.rest_internal', 'Request timed out.');
  });
  timeout.catch(() => undefined);
  try {
    return await Promise.race([work(), timeout]);
  } finally {
    done.abort();
  }
}

function pathOf(request: FastifyRequest): string {
  const question = request.url.indexOf('?');
  return question < 0 ? request.url : request.url.slice(0, question);
}

/** An answer made before a route matched: a JSON body, but no Content-Type, as Connect's web layer sends it. */
function bare(reply: FastifyReply, status: number, message = STATUS_TEXTS[status] ?? `HTTP ${status}`): void {
  sendRaw(reply, status, errorBody(status, message));
}

function notRouted(
  options: RestAppOptions,
  table: RouteTable,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const path = pathOf(request);
  const methods = table.methodsOf(path);
  if (!methods) {
    const encodedSeparator = /%2f/i.test(path);
    bare(reply, encodedSeparator ? 400 : 404, encodedSeparator ? 'Ambiguous URI path separator' : undefined);
  } else if (request.method === 'OPTIONS') {
    const type = optionsType(request.headers.accept);
    // Browsers ask without a login whether they may send one.
    const asks = options.crossOrigin?.isPreflight(request.raw) === true || loggedIn(options, request);
    if (!asks) return notLoggedIn(reply, type);
    const text = type === TEXT_TYPE ? [...methods].join(', ') : '';
    sendRaw(reply, 200, text, { allow: [...methods].join(','), 'content-type': type });
  } else {
    bare(reply, 405);
  }
}

/** OPTIONS answers with a list in plain text, or with nothing of whatever else is wanted. */
function optionsType(accept: string | undefined): string {
  const [first = ''] = (accept ?? '').split(/[,;]/);
  const wanted = first.trim().toLowerCase();
  return /^[a-z0-9][\w.+-]*\/[a-z0-9][\w.+-]*$/.test(wanted) ? wanted : TEXT_TYPE;
}

function notHandled(
  options: RestAppOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 415 && request.headers['content-type'] === undefined) {
    sendRaw(reply, 415, errorBody(415, STATUS_TEXTS[415] ?? ''), { 'content-type': JSON_TYPE });
  } else if (status < 500) {
    bare(reply, status);
  } else {
    options.logger.error({ err: error, method: request.method, path: pathOf(request) }, 'request failed');
    sendRaw(reply, 500, errorBody(500, (error as Error).message), { 'content-type': JSON_TYPE });
  }
}

function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  return accept.split(',').some((part) => {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))) return false;
    return type === '*/*' || type === 'application/*' || type === JSON_TYPE;
  });
}
