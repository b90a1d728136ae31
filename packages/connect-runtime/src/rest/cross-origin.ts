// Requests that pages of other origins make in a browser, as Jetty's CrossOriginHandler answers them in Connect 4.3.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { javaRegexWhole } from '@millrace/foundation';

export interface CrossOriginOptions {
  /** Origins, `*`, or regular expressions; none = no such requests. */
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  /** Whether pages may send a login. */
  readonly hasLogin: boolean;
}

const MAX_AGE_S = 60;
const MAX_ORIGIN_LENGTH = 512;
/** Characters that make an entry an expression. A dot alone does not: it would match any character of an origin. */
const EXPRESSION = /[\\^$*+?()[\]{}|]/;

export class CrossOrigin {
  readonly #options: CrossOriginOptions;
  readonly #allowed: readonly ((origin: string) => boolean)[];

  /** @throws config.regex_invalid for an entry that is no regular expression */
  constructor(options: CrossOriginOptions) {
    this.#options = options;
    this.#allowed = options.allowOrigins.map((entry) => {
      if (entry === '*') return () => true;
      const lower = entry.toLowerCase();
      if (!EXPRESSION.test(entry)) return (origin) => origin.toLowerCase() === lower;
      const pattern = javaRegexWhole(`(?i)${entry}`);
      return (origin) => pattern.test(origin);
    });
  }

  /** Puts the headers into an answer that has not begun. */
  apply(request: IncomingMessage, answer: ServerResponse): void {
    if (this.#allowed.length === 0) return;
    answer.setHeader('vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || origin.length > MAX_ORIGIN_LENGTH) return;
    if (!this.#allowed.some((allows) => allows(origin))) return;
    answer.setHeader('access-control-allow-origin', origin);
    if (!this.isPreflight(request)) return;
    answer.setHeader('access-control-allow-methods', this.#options.allowMethods.join(','));
    // A login cannot be sent across origins unless the header is named.
    const headers = this.#options.hasLogin ? 'Content-Type,Authorization' : 'Content-Type';
    answer.setHeader('access-control-allow-headers', headers);
    answer.setHeader('access-control-max-age', String(MAX_AGE_S));
  }

  /** What a browser asks before the request itself, without a login. */
  isPreflight(request: IncomingMessage): boolean {
    const { origin, 'access-control-request-method': method } = request.headers;
    return (
      this.#allowed.length > 0 && request.method === 'OPTIONS' && origin !== undefined && method !== undefined
    );
  }
}
