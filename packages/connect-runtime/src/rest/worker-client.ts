// How a worker asks another one: HTTP or HTTPS, with the trust store and the certificate of the worker's listeners.
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { RestClientTls } from '../config/rest-config.ts';

export interface WorkerRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request, which then rejects. */
  readonly signal: AbortSignal;
}

export interface WorkerAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

/** Sends one request to another worker; redirections are not followed. */
export type AskWorker = (url: URL, request: WorkerRequest) => Promise<WorkerAnswer>;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** An asker; without TLS settings the authorities that Node knows are trusted. */
export function workerClient(tls: RestClientTls | null): AskWorker {
  const settings = {
    ...tls?.context,
    ...(tls?.checkHost === false ? { checkServerIdentity: (): undefined => undefined } : {}),
  };
  return async (url, { method, headers = {}, body, signal }) =>
    await new Promise<WorkerAnswer>((resolve, reject) => {
      const bytes = body === undefined ? undefined : Buffer.from(body);
      const options = {
        method,
        signal,
        // A connection that the other side has just closed would be taken for a refusal.
        agent: false as const,
        headers: { ...headers, ...(bytes ? { 'content-length': String(bytes.length) } : {}) },
      };
      const answered = (answer: IncomingMessage): void => {
        readAll(answer).then(
          (text) => resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, text }),
          reject,
        );
      };
      const sent =
        url.protocol === 'https:'
          ? requestHttps(url, { ...options, ...settings }, answered)
          : requestHttp(url, options, answered);
      sent.once('error', reject);
      sent.end(bytes);
    });
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) {
      answer.destroy();
      throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
