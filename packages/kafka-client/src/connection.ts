// One connection to one broker: ApiVersions first, then pipelined requests whose responses come in request order.
// It never reconnects; whoever holds it makes a new one (cluster.ts).
import type { Socket } from 'node:net';
import { MillraceError, toError } from '@millrace/foundation';
import {
  API,
  apiSpec,
  decodeResponse,
  type Encodable,
  encodeRequest,
  FrameReader,
  KafkaErrors,
  type RequestBody,
  type ResponseBody,
} from '@millrace/kafka-protocol';
import type { ConnectionStats } from './client-stats.ts';
import { brokerError, clientError } from './errors.ts';
import { isTlsProblem, type OpenSocket, openSocket } from './open-socket.ts';

/** Told of requests that may append to a log: a request of which the answer is not seen may still be carried out. */
export interface WriteObserver {
  sent(): void;
  answered(): void;
  /** No answer will come. `timedOut` says that the request timeout has passed since it was sent. */
  lost(timedOut: boolean): void;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  /** A request without an answer for so long closes the connection: answers behind it cannot come either. */
  readonly requestTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Longest response accepted. */
  readonly maxResponseBytes?: number;
  /** Opens the socket, which may be one of TLS; plain TCP by default. */
  readonly dial?: (host: string, port: number) => Socket;
  readonly writes?: WriteObserver;
  /** Ends the attempt to connect, until that has succeeded. */
  readonly signal?: AbortSignal;
  /** Counts what goes over this connection. */
  readonly stats?: ConnectionStats;
  /**
   * Logs in once versions are known, before the connection is handed out, and again before that is too old. Resolves
   * with how many milliseconds the login is good for; 0 = as long as the connection.
   */
  readonly authenticate?: (connection: Connection) => Promise<number>;
}

/** Levels of features that all brokers of a cluster have agreed on (KIP-584). */
export interface ClusterFeatures {
  /** Rises with every change; -1 where the broker knows no features. */
  readonly epoch: number;
  readonly levels: ReadonlyMap<string, number>;
}

export const NO_FEATURES: ClusterFeatures = { epoch: -1, levels: new Map() };

export interface RequestOptions {
  /** Overrides the connection's timeout; for requests that the broker holds back on purpose, such as Fetch. */
  readonly timeoutMs?: number;
  /** Rejects the promise; the answer is dropped when it comes. */
  readonly signal?: AbortSignal;
  /** Uses this version instead of the highest that both sides know. */
  readonly version?: number;
  /** Who asks, where that is not whoever has the connection. */
  readonly clientId?: string;
  /** Bytes that go to the broker beside the request: they count as sent, and the request is not to wait. */
  readonly besideBytes?: number;
  /** Counts the request and its answer instead of the connection's. */
  readonly stats?: ConnectionStats;
}

interface Pending {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly resolve: (body: never) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
  readonly stats: ConnectionStats | undefined;
  /** Lets go of the caller's signal. */
  readonly release: () => void;
}

/**
 * Highest versions we use unless asked, where the codecs know more: later ones name topics by id only, or change what a
 * request means.
 */
const HIGHEST_USED: Readonly<Record<number, number>> = {
  [API.Produce]: 11,
  [API.OffsetCommit]: 9,
  [API.OffsetFetch]: 9,
  [API.InitProducerId]: 5,
  [API.AddPartitionsToTxn]: 3,
  [API.EndTxn]: 4,
  [API.TxnOffsetCommit]: 4,
};

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const LARGE_REQUEST_BYTES = 64 * 1024;
const DEFAULT_MAX_RESPONSE_BYTES = 256 * 1024 * 1024;
/** Which part of its lifetime a login is used before it is renewed, as Java's clients have it. */
const RENEW_FROM = 0.85;
const RENEW_TO = 0.95;
/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 0x7fff_ffff;
const SOFTWARE = { clientSoftwareName: 'millrace', clientSoftwareVersion: '0.1.0' };

/** A connection that is ready for requests. */
export class Connection implements AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #pending: Pending[] = [];
  #answered = 0; // entries at the head of #pending that are done; they are cut off in bulk
  #versions: VersionRanges = new Map();
  #features: ClusterFeatures = NO_FEATURES;
  readonly #closed: Promise<MillraceError>;
  #resolveClosed: (error: MillraceError) => void = () => undefined;
  #failure: MillraceError | undefined;
  #correlationId = 0;
  #corked = false;
  /** Requests that wait while the login is renewed: between its steps a broker takes nothing else. */
  #held: (() => void)[] | undefined;
  #renewal: NodeJS.Timeout | undefined;

  private constructor(options: ConnectionOptions, { socket, lent, receive }: OpenSocket) {
    this.#options = options;
    this.#socket = socket;
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const maxBytes = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES;
    const frames = new FrameReader({
      minBytes: 4,
      maxBytes,
      lent,
      refuse: (length) =>
        clientError('kafka.refused', `A response of ${length} bytes is outside 4 to ${maxBytes}.`, {
          context: { length },
        }),
    });
    const onFrame = (frame: Buffer): void => this.#onFrame(frame);
    const { stats } = options;
    if (stats) stats.opened++;
    receive((chunk) => {
      if (stats) stats.bytesIn += chunk.length;
      try {
        frames.push(chunk, onFrame);
      } catch (error) {
        this.#fail(this.#lost('sent what is no Kafka response', error));
      }
    });
    socket.on('error', (error) => this.#fail(this.#lost('broke', error)));
    socket.on('close', () => this.#fail(this.#lost('was closed by the broker')));
  }

  /**
   * Connects and learns the broker's versions.
   *
   * @throws kafka.unreachable, kafka.authentication_failed, kafka.connection_closed, kafka.request_timeout, kafka.closed
   */
  static async connect(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options, await openSocket(options));
    const giveUp = (): void => connection.#giveUp();
    options.signal?.addEventListener('abort', giveUp, { once: true });
    try {
      if (options.signal?.aborted) giveUp();
      await connection.#learnVersions();
      connection.#renewLater((await options.authenticate?.(connection)) ?? 0);
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  /** Requests made and not answered. */
  get inFlight(): number {
    return this.#pending.length - this.#answered + (this.#held?.length ?? 0);
  }
  get isOpen(): boolean {
    return this.#failure === undefined;
  }
  get address(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }
  /** Resolves with the reason once the connection is gone. */
  get closed(): Promise<MillraceError> {
    return this.#closed;
  }

  /** What the broker said of its cluster. */
  get features(): ClusterFeatures {
    return this.#features;
  }

  /** Whether both sides have a version of this API in common. */
  supports(key: number): boolean {
    return this.#commonVersion(key) !== undefined;
  }

  /** The version used for an API. @throws kafka.unsupported_version */
  versionFor(key: number): number {
    const version = this.#commonVersion(key);
    if (version !== undefined) return version;
    const name = apiSpec(key)?.name ?? `API ${key}`;
    throw brokerError(KafkaErrors.UNSUPPORTED_VERSION.code, `${this.address} cannot serve ${name}`);
  }

  /**
   * Sends a request; requests are answered in the order in which they were sent.
   *
   * @throws kafka.connection_closed, kafka.request_timeout, kafka.malformed
   */
  request<K extends number>(
    key: K,
    body: Encodable<RequestBody<K>>,
    options: RequestOptions = {},
  ): Promise<ResponseBody<K>> {
    return new Promise((resolve, reject) => {
      const send = (): void => {
        try {
          this.#send(key, body, options, { resolve: resolve as (body: never) => void, reject });
        } catch (error) {
          reject(toError(error));
        }
      };
      const isLogin = key === API.SaslHandshake || key === API.SaslAuthenticate;
      if (this.#held && !isLogin) this.#held.push(send);
      else send();
    });
  }

  /** Closes at once; what is in flight is rejected. May be called repeatedly. */
  async close(): Promise<void> {
    this.#giveUp();
    await this.#closed;
  }
  #giveUp(): void {
    this.#fail(clientError('kafka.closed', `The connection to ${this.address} was closed.`));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send<K extends number>(
    key: K,
    body: Encodable<RequestBody<K>>,
    options: RequestOptions,
    { resolve, reject }: Pick<Pending, 'resolve' | 'reject'>,
  ): void {
    const {
      signal,
      clientId = this.#options.clientId,
      stats = this.#options.stats,
      besideBytes = 0,
    } = options;
    const giveUp = (): void => reject(clientError('kafka.closed', 'The request was given up.'));
    if (this.#failure || signal?.aborted) {
      if (this.#failure) reject(this.#failure);
      else giveUp();
      return;
    }
    const version = options.version ?? this.versionFor(key);
    const correlationId = this.#nextCorrelationId();
    const chunks = encodeRequest(key, version, correlationId, clientId, body);
    signal?.addEventListener('abort', giveUp, { once: true });
    this.#pending.push({
      key,
      version,
      correlationId,
      resolve,
      reject,
      timer: this.#startTimer(key, options.timeoutMs),
      stats,
      release: () => signal?.removeEventListener('abort', giveUp),
    });
    if (key === API.Produce) this.#options.writes?.sent();
    if (stats) {
      stats.requests++;
      stats.bytesOut += besideBytes;
      for (const chunk of chunks) stats.bytesOut += chunk.length;
    }
    this.#write(chunks, besideBytes);
  }

  /** Renews the login some time before it is too old (KIP-368); brokers close what is not renewed. */
  #renewLater(lifetimeMs: number): void {
    if (lifetimeMs <= 0 || this.#failure) return;
    const share = RENEW_FROM + (RENEW_TO - RENEW_FROM) * Math.random();
    this.#renewal = setTimeout(() => void this.#renew(), Math.min(lifetimeMs * share, MAX_TIMER_MS));
    this.#renewal.unref();
  }

  async #renew(): Promise<void> {
    this.#held = [];
    try {
      this.#renewLater((await this.#options.authenticate?.(this)) ?? 0);
    } catch (error) {
      this.#fail(error instanceof MillraceError ? error : this.#lost('could not renew its login', error));
    }
    const held = this.#held;
    this.#held = undefined;
    for (const send of held) send();
  }

  #commonVersion(key: number): number | undefined {
    const spec = apiSpec(key);
    const theirs = this.#versions.get(key);
    if (!spec || !theirs) return undefined;
    const version = Math.min(HIGHEST_USED[key] ?? spec.maxVersion, spec.maxVersion, theirs[1]);
    return version >= Math.max(spec.minVersion, theirs[0]) ? version : undefined;
  }

  async #learnVersions(): Promise<void> {
    let answer = await this.request(API.ApiVersions, SOFTWARE, { version: 3 });
    if (answer.errorCode === KafkaErrors.UNSUPPORTED_VERSION.code) {
      answer = await this.request(API.ApiVersions, {}, { version: 0 });
    }
    if (answer.errorCode !== 0)
      throw brokerError(answer.errorCode, `${this.address} does not tell its versions`);
    this.#versions = rangesOf(answer.apiKeys);
    this.#features = {
      epoch: Number(answer.finalizedFeaturesEpoch),
      levels: new Map(answer.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel])),
    };
  }

  #nextCorrelationId(): number {
    this.#correlationId = (this.#correlationId + 1) & 0x7fff_ffff;
    return this.#correlationId;
  }

  // Small requests made in one turn of the loop leave in one system call. A large one leaves at once, so that the broker
  // works on it during the rest of the turn.
  #write(chunks: readonly Buffer[], besideBytes: number): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    let size = besideBytes;
    for (const chunk of chunks) {
      this.#socket.write(chunk);
      size += chunk.length;
    }
    if (size >= LARGE_REQUEST_BYTES) this.#uncork();
  }

  readonly #uncork = (): void => {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  };

  #startTimer(key: number, timeoutMs: number | undefined): NodeJS.Timeout | undefined {
    const limit = timeoutMs ?? this.#options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    if (limit === Infinity) return undefined;
    const name = apiSpec(key)?.name ?? String(key);
    const expire = (): void =>
      this.#fail(
        clientError('kafka.request_timeout', `${this.address} did not answer ${name} within ${limit} ms.`, {
          context: { address: this.address, api: name, timeoutMs: limit },
          javaClass: 'org.apache.kafka.common.errors.TimeoutException',
        }),
      );
    return setTimeout(expire, limit);
  }

  #onFrame(frame: Buffer): void {
    const pending = this.#pending[this.#answered];
    if (!pending) throw clientError('kafka.refused', 'An answer came that nobody asked for.');
    const { correlationId, body } = decodeResponse(pending.key, pending.version, frame);
    if (correlationId !== pending.correlationId) {
      throw clientError(
        'kafka.refused',
        `Answer ${correlationId} came in place of ${pending.correlationId}.`,
      );
    }
    clearTimeout(pending.timer);
    pending.release();
    if (pending.key === API.Produce) this.#options.writes?.answered();
    const { stats } = pending;
    if (stats) stats.responses++;
    if (stats && stats !== this.#options.stats) stats.bytesIn += 4 + frame.length;
    this.#answered++;
    if (this.#answered === this.#pending.length || this.#answered >= 64) {
      this.#pending.splice(0, this.#answered);
      this.#answered = 0;
    }
    pending.resolve(body as never);
  }

  #lost(how: string, cause?: unknown): MillraceError {
    const reason = cause === undefined ? '' : ` (${toError(cause).message})`;
    // Under TLS 1.3 a broker refuses a certificate after the client has taken the connection for good.
    if (isTlsProblem(cause)) {
      return clientError(
        'kafka.authentication_failed',
        `The connection to ${this.address} ${how}${reason}.`,
        {
          cause,
          context: { address: this.address },
          javaClass: 'org.apache.kafka.common.errors.SslAuthenticationException',
        },
      );
    }
    return clientError('kafka.connection_closed', `The connection to ${this.address} ${how}${reason}.`, {
      cause,
      context: { address: this.address },
      javaClass: 'org.apache.kafka.common.errors.DisconnectException',
    });
  }

  #fail(error: MillraceError): void {
    if (this.#failure) return;
    this.#failure = error;
    if (this.#options.stats) this.#options.stats.closed++;
    clearTimeout(this.#renewal);
    const unanswered = this.#pending.splice(0).slice(this.#answered);
    const writing = unanswered.some(({ key }) => key === API.Produce);
    // INV-2: what the system has not sent yet must not leave later, when nobody waits for it any more.
    if (writing) reset(this.#socket);
    else this.#socket.destroy();
    for (const { key, timer, reject, release } of unanswered) {
      clearTimeout(timer);
      release();
      if (key === API.Produce) this.#options.writes?.lost(error.code === 'kafka.request_timeout');
      reject(error);
    }
    this.#answered = 0;
    this.#resolveClosed(error);
  }
}

type VersionRanges = ReadonlyMap<number, readonly [number, number]>;

/** What the last broker told: mostly that is what the next one tells, and some KB for each connection otherwise. */
let lastRanges: { readonly text: string; readonly ranges: VersionRanges } | undefined;

function rangesOf(
  apis: readonly { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number }[],
): VersionRanges {
  const text = apis
    .map(({ apiKey, minVersion, maxVersion }) => `${apiKey} ${minVersion} ${maxVersion}`)
    .join();
  if (lastRanges?.text !== text) {
    const ranges = new Map(
      apis.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]] as const),
    );
    lastRanges = { text, ranges };
  }
  return lastRanges.ranges;
}

/** Ends a connection and drops what the system holds of it, where the socket can do that. */
function reset(socket: Socket): void {
  try {
    if (!socket.destroyed) socket.resetAndDestroy();
  } catch {
    // Not plain TCP: there is no more than to close it.
  }
  socket.destroy();
}
