// Opens the socket of a connection, and tells what kept it from opening: nobody there, or TLS that does not agree.
import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { clientError } from './errors.ts';

interface SocketOptions {
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs?: number;
  readonly dial?: (host: string, port: number) => Socket;
  readonly signal?: AbortSignal;
}

/** A socket that is open. */
export interface OpenSocket {
  readonly socket: Socket;
  /** Whether what `receive` hands out may be overwritten when the call returns. */
  readonly lent: boolean;
  /** Hands out what comes in, from now on; to be called at once and once. */
  readonly receive: (onData: (chunk: Buffer) => void) => void;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
/**
 * Where all plain connections of this thread read into. A socket as it comes allocates 64 KB outside the heap for every
 * read, which for the small answers that idle clients get costs more than all the rest.
 */
const memory = Buffer.allocUnsafeSlow(256 * 1024);
/** Codes of OpenSSL and of Node for handshakes and certificates that are no good. */
const TLS_PROBLEM =
  /^(ERR_SSL_|ERR_TLS_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_(CA|PURPOSE)$|PATH_LENGTH|HOSTNAME_MISMATCH)/;

/** Whether an error of a socket says that TLS did not come about, which trying again does not change. */
export function isTlsProblem(error: unknown): boolean {
  return TLS_PROBLEM.test((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/**
 * Resolves with the socket once bytes may be sent, under TLS after its handshake.
 *
 * @throws kafka.unreachable, kafka.authentication_failed, kafka.closed when the signal fires before
 */
export function openSocket(options: SocketOptions): Promise<OpenSocket> {
  const { host, port, signal } = options;
  let read: (chunk: Buffer) => void = () => undefined;
  const onread = {
    buffer: memory,
    callback: (bytes: number): boolean => {
      read(memory.subarray(0, bytes));
      return true;
    },
  };
  const dialled = options.dial?.(host, port);
  const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const socket = dialled ?? connect({ host, port, noDelay: true, keepAlive: true, onread });
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    };
    const giveUp = (): void => {
      done();
      socket.destroy();
      reject(clientError('kafka.closed', `Connecting to ${host}:${port} was given up.`));
    };
    const failed = (cause: Error): void => {
      done();
      socket.destroy();
      const text = cause.message || (cause as NodeJS.ErrnoException).code || 'unknown reason';
      const context = { host, port };
      reject(
        isTlsProblem(cause)
          ? clientError('kafka.authentication_failed', `TLS with ${host}:${port} failed: ${text}.`, {
              cause,
              context,
              javaClass: 'org.apache.kafka.common.errors.SslAuthenticationException',
            })
          : clientError('kafka.unreachable', `Cannot connect to ${host}:${port}: ${text}.`, {
              cause,
              context,
            }),
      );
    };
    const timer = setTimeout(() => failed(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    // Who takes a socket away says nothing but that it is closed.
    const closed = (): void => failed(new Error('it was closed'));
    socket.once('error', failed);
    socket.once('close', closed);
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      done();
      socket.off('error', failed);
      socket.off('close', closed);
      const receive: OpenSocket['receive'] = (onData) => {
        if (dialled) socket.on('data', onData);
        else read = onData;
      };
      resolve({ socket, lent: dialled === undefined, receive });
    });
    if (signal?.aborted) giveUp();
    else signal?.addEventListener('abort', giveUp, { once: true });
  });
}
