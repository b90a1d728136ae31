// The parts of HTTP that every group of routes shares: bodies in Connect's sense, answers with exactly the headers
// Connect sends, and the table of routes from which 405, OPTIONS and HEAD follow.

import { parseJson } from '@millrace/data';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { connectError } from '../errors.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What a handler is given. */
export interface RestRequest {
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The body's text; undefined when there was none. */
  readonly body: string | undefined;
  /** By names in small letters; of several values of one name, none. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** `http://HOST:PORT` or `https://HOST:PORT` as the client called it. */
  readonly base: string;
}

/** What a handler answers; a body that is undefined is none. */
export interface RestAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers that are no JSON, such as metrics. */
  readonly text?: { readonly type: string; readonly content: string };
}

export interface Route {
  readonly method: Method;
  /** With parameters as `:name`. */
  readonly path: string;
  readonly handle: (request: RestRequest) => Promise<RestAnswer> | RestAnswer;
  /** Answers in a form of its own, so `Accept` is not looked at. */
  readonly ownFormat?: boolean;
  /** Asked by other workers, which sign what they ask and have no login. */
  readonly betweenWorkers?: boolean;
  /** Without a login only `status` of the answer is told, not nothing: what orchestrators look at. */
  readonly briefWithoutLogin?: boolean;
}

/** A 200 with a JSON body. */
export function ok(body: unknown): RestAnswer {
  return { status: 200, body };
}

/** Sends exactly these headers: no charset, and no type where Connect sends none. */
export function sendRaw(
  reply: FastifyReply,
  status: number,
  content: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  reply.hijack();
  const bytes = Buffer.from(content);
  // A HEAD answer has the headers of a GET and no body.
  const isHead = reply.request.method === 'HEAD';
  reply.raw.writeHead(status, {
    ...headers,
    ...(status === 204 || status === 304 ? {} : { 'content-length': String(bytes.length) }),
  });
  reply.raw.end(isHead || bytes.length === 0 ? undefined : bytes);
}

export function errorBody(status: number, message: string): string {
  return JSON.stringify({ error_code: status, message });
}

/**
 * The body as a JSON value.
 * @throws connect.rest_internal when it is no JSON, as in Connect.
 */
export function jsonBody(request: RestRequest): unknown {
  if (request.body === undefined || request.body.trim() === '') return undefined;
  try {
    return JSON.parse(request.body);
  } catch (error) {
    throw connectError('connect.rest_internal', `The body is not valid JSON: ${(error as Error).message}`);
  }
}

/** The body with int64 kept exact: objects are Maps. */
export function losslessBody(request: RestRequest): ReturnType<typeof parseJson> {
  try {
    return parseJson(request.body ?? '');
  } catch (error) {
    throw connectError('connect.rest_internal', `The body is not valid JSON: ${(error as Error).message}`);
  }
}

/**
 * The body as an object.
 * @throws connect.rest_internal with `missing` when there is none
 */
export function objectBody(request: RestRequest, missing: string): Record<string, unknown> {
  const body = jsonBody(request);
  if (body === undefined || body === null) throw connectError('connect.rest_internal', missing);
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw connectError('connect.rest_internal', 'The body must be a JSON object');
  }
  return body as Record<string, unknown>;
}

/**
 * A flat map of config values: numbers and booleans become text, null stays null.
 * @throws connect.rest_internal for values that are objects or arrays
 */
export function configMap(value: unknown, what: string): Record<string, string | null> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw connectError('connect.rest_internal', `${what} must be a JSON object of strings`);
  }
  const config: Record<string, string | null> = {};
  for (const [key, item] of Object.entries(value)) {
    if (typeof item === 'object' && item !== null) {
      throw connectError(
        'connect.rest_internal',
        `The value of ${key} must be a string, not an object or array`,
      );
    }
    config[key] = item === null ? null : String(item);
  }
  return config;
}

/** Java's Boolean: anything but `true` is false. */
export function isTrue(text: string | null): boolean {
  return text?.toLowerCase() === 'true';
}

export function toRestRequest(request: FastifyRequest): RestRequest {
  const question = request.url.indexOf('?');
  return {
    params: request.params as Record<string, string>,
    query: new URLSearchParams(question < 0 ? '' : request.url.slice(question + 1)),
    body: typeof request.body === 'string' ? request.body : undefined,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : undefined,
      ]),
    ),
    base: `${request.protocol}://${request.headers.host ?? 'localhost'}`,
  };
}

/** Matches request paths against the patterns of routes. */
export class RouteTable {
  readonly #patterns: { readonly pattern: RegExp; readonly path: string; readonly methods: Set<string> }[] =
    [];

  constructor(routes: readonly Route[]) {
    for (const { method, path } of routes) {
      let entry = this.#patterns.find((known) => known.path === path);
      if (!entry) {
        const source = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[a-zA-Z]+/g, '[^/]+');
        entry = { pattern: new RegExp(`^${source}/?$`), path, methods: new Set() };
        this.#patterns.push(entry);
      }
      entry.methods.add(method);
    }
  }

  /** Methods of a path, or undefined when no route has it. */
  methodsOf(path: string): Set<string> | undefined {
    const entry = this.#patterns.find(({ pattern }) => pattern.test(path));
    if (!entry) return undefined;
    const methods = new Set([...entry.methods, 'OPTIONS']);
    if (methods.has('GET')) methods.add('HEAD');
    return methods;
  }
}
