// The worker's REST API as commands use it.
import type { ErrorMessage } from '@millrace/connect-api';
import { CliError } from './cli-error.ts';

const RETRY_FOR_MS = 10_000;

/** Calls one worker. @throws CliError */
export class RestClient {
  /** Without the login that the address may have (INV-11). */
  readonly #base: string;
  readonly #authorization: string | undefined;

  /** `http://HOST:PORT` or `https://...`; `USER:PASSWORD@` before the host, percent-encoded, is a login. */
  constructor(url: string) {
    const [, scheme = '', login, rest = ''] = /^(https?:\/\/)(?:([^/@]*)@)?(.*)$/i.exec(url) ?? [
      '',
      '',
      undefined,
      url,
    ];
    this.#base = (scheme + rest).replace(/\/$/, '');
    if (login !== undefined) {
      this.#authorization = `Basic ${Buffer.from(decoded(login)).toString('base64')}`;
    }
  }

  /** The parsed body. Answers that ask for patience during a rebalance are tried again for a while. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const deadline = Date.now() + RETRY_FOR_MS;
    for (;;) {
      const response = await this.#fetch(method, path, body);
      const text = await response.text();
      if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
      const message = errorText(text);
      const passing = response.status === 409 && message.startsWith('Cannot complete request momentarily');
      if (!passing || Date.now() > deadline) throw refusal(method, path, response.status, message);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** A page that is no JSON. */
  async text(path: string): Promise<string> {
    const response = await this.#fetch('GET', path, undefined);
    const text = await response.text();
    if (!response.ok) throw refusal('GET', path, response.status, errorText(text));
    return text;
  }

  async #fetch(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        headers: {
          accept: 'application/json',
          ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cause =
        error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw new CliError(
        `No answer from the worker at ${this.#base}`,
        cause,
        'Start one with `millrace start`, or name another with --url or MILLRACE_URL.',
        3,
      );
    }
  }
}

function decoded(login: string): string {
  try {
    return decodeURIComponent(login);
  } catch {
    return login;
  }
}

/** `/connectors/NAME` with the name escaped. */
export function connectorPath(name: string, rest = ''): string {
  return `/connectors/${encodeURIComponent(name)}${rest}`;
}

function errorText(body: string): string {
  try {
    return (JSON.parse(body) as ErrorMessage).message;
  } catch {
    return body.slice(0, 500) || 'no message';
  }
}

function refusal(method: string, path: string, status: number, message: string): CliError {
  const [first = '', ...more] = message.split('\n');
  const fixes: Readonly<Record<number, string>> = {
    400: 'Correct the config as the message says and run the command again.',
    401: 'Give a login: MILLRACE_URL=http://USER:PASSWORD@HOST:PORT, or --url.',
    404: 'List what there is with `millrace connectors`.',
    409: 'Wait a moment and run the command again, or delete the connector first.',
  };
  return new CliError(
    first || `${method} ${path} was refused`,
    more.filter((line) => line !== '').join('; ') || `the worker answered ${status} to ${method} ${path}`,
    fixes[status] ?? 'Look into the log of millrace for the cause.',
    status === 400 ? 2 : 1,
  );
}
