// One client connection. Requests start in the order they came, one at a time, except that a Produce may start while
// earlier ones wait for the disk; answers leave in the order of the requests. What cannot be read ends the connection
// and nothing else. Until it is known who is there, frames are small and time is short.
import type { Socket } from 'node:net';
import { type Logger, messageOf, toError } from '@millrace/foundation';
import {
  API,
  type Body,
  decodeRequestBody,
  decodeRequestHeader,
  encodeResponse,
  FrameReader,
  type RequestHeader,
} from '@millrace/kafka-protocol';
import { answerRequest } from '../api/authorization.ts';
import { CLOSE, NO_REPLY, type RegisteredApi, type RequestContext } from '../api/definition.ts';
import type { ApiRegistry } from '../api/registry.ts';
import type { BrokerState } from '../broker-state.ts';
import { Access } from '../security/access.ts';
import type { SaslSettings } from '../security/sasl-exchange.ts';
import { Session } from '../security/session.ts';
import { Ending } from './ending.ts';
import type { FramePool } from './frame-pool.ts';
import type { YoungCollector } from './young-collector.ts';

/** The stream is none of Kafka's: a length outside the limits, or a request nobody sends who read what is served. */
class NotKafka extends Error {}

/** Requests that may wait or run on one connection before its socket is no longer read. */
const MAX_WAITING_REQUESTS = 64;
const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** Bytes of answers a slow reader may have waiting before its next request starts. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
/** What is longer is read to where it belongs; less may come in one read with what follows it. */
const LONG_READ_BYTES = 64 * 1024;
/** Answers up to this size in all are sent as one piece. */
const MAX_JOINED_BYTES = 16 * 1024;
/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 0x7fff_ffff;

interface Waiting {
  readonly header: RequestHeader;
  readonly api: RegisteredApi;
  readonly frame: Buffer;
  /** Monotonic. */
  readonly receivedMs: number;
}

/** A started request; its answer is kept until those before it have left. */
interface Started {
  chunks: readonly Buffer[] | undefined;
  close: boolean;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly broker: BrokerState;
  readonly registry: ApiRegistry;
  readonly listener: string;
  readonly logger: Logger;
  readonly maxRequestBytes: number;
  readonly framePool: FramePool;
  readonly youngCollector: YoungCollector;
  /** Who it is without a login. */
  readonly principal: string;
  /** What a login needs, where one is wanted. */
  readonly sasl: SaslSettings | undefined;
  /** How long the login may take. */
  readonly authenticationMs: number;
  /** Closes when nothing moves for so long; 0 or less: never. */
  readonly maxIdleMs: number;
}

export class Connection {
  readonly #socket: Socket;
  readonly #broker: BrokerState;
  readonly #registry: ApiRegistry;
  readonly #listener: string;
  readonly #logger: Logger;
  readonly #frames: FrameReader;
  readonly #framePool: FramePool;
  readonly #youngCollector: YoungCollector;
  readonly #ending = new Ending();
  readonly #clientHost: string;
  readonly #session: Session;
  #loginTimer: NodeJS.Timeout | undefined;
  readonly #onFrame = (frame: Buffer): void => this.#accept(frame);
  /** When the last bytes came in. */
  #receivedMs = 0;
  #waiting: Waiting[] = [];
  /** Bytes of requests that wait or run. */
  #heldBytes = 0;
  #started: Started[] = [];
  /** Started requests that only let a pipelined one start beside them. */
  #allPipelined = true;
  #paused = false;
  #pumping = false;
  /** Answers of this turn. */
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #sending = false;
  readonly #onTurnEnd = (): void => this.#flush();

  constructor(options: ConnectionOptions) {
    this.#socket = options.socket;
    this.#broker = options.broker;
    this.#registry = options.registry;
    this.#listener = options.listener;
    this.#logger = options.logger;
    this.#frames = new FrameReader({
      minBytes: 0,
      maxBytes: () => this.#session.maxFrameBytes(options.maxRequestBytes),
      allocate: (length) => options.framePool.take(length),
      lent: true,
      refuse: (length) => new NotKafka(`a frame of ${length} bytes`),
    });
    this.#framePool = options.framePool;
    this.#youngCollector = options.youngCollector;
    this.#clientHost = `/${(options.socket.remoteAddress ?? '').replace(/^::ffff:/, '')}`;
    this.#session = new Session({
      principal: options.principal,
      sasl: options.sasl,
      nowMs: () => options.broker.clock.monotonicMs(),
      onFailure: (reason) => this.#logger.info({ client: this.#clientHost, reason }, 'a login failed'),
    });
    if (!this.#session.isKnown) {
      this.#loginTimer = setTimeout(() => this.#refuse('no login in time'), options.authenticationMs);
    }
    options.socket.setNoDelay(true);
    if (options.maxIdleMs > 0) {
      options.socket.setTimeout(Math.min(options.maxIdleMs, MAX_TIMER_MS), () => this.#idle());
    }
    options.socket.on('drain', () => this.#pump());
    options.socket.on('error', (error) => this.#logger.debug({ err: error }, 'a client connection broke'));
    options.socket.on('end', () => this.close());
    options.socket.on('close', () => this.#end());
  }

  /** Ends the connection; answers not yet sent are lost. */
  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  /** Ends the connection of somebody who may not go on. */
  #refuse(reason: string): void {
    if (this.#ending.hasCome) return;
    this.#broker.metrics.connectionsRefused++;
    this.#logger.info({ client: this.#clientHost, listener: this.#listener, reason }, 'a client was refused');
    this.close();
  }

  #idle(): void {
    if (this.#started.length === 0) this.close();
  }

  #end(): void {
    clearTimeout(this.#loginTimer);
    this.#ending.come();
    this.#waiting = [];
    this.#started = [];
    this.#outgoing = [];
    this.#outgoingBytes = 0;
  }

  /** Takes what the client sent; the bytes may be overwritten afterwards. */
  receive(chunk: Buffer): void {
    this.#read(() => this.#frames.push(chunk, this.#onFrame));
  }
  /** Where the rest of a long request may be read to at once. */
  space(): Buffer | undefined {
    return this.#frames.space(LONG_READ_BYTES);
  }
  /** So many bytes were read into `space`. */
  filled(bytes: number): void {
    this.#read(() => this.#frames.filled(bytes, this.#onFrame));
  }

  #read(take: () => void): void {
    this.#receivedMs = performance.now();
    try {
      take();
    } catch (error) {
      // INV-10: bytes that are no request end this connection only.
      const reason = messageOf(error);
      this.#broker.metrics.connectionsRefused++;
      if (error instanceof NotKafka)
        this.#logger.info({ client: this.#clientHost, reason }, 'not a Kafka client');
      else this.#logger.warn({ client: this.#clientHost, reason }, 'a request could not be read');
      this.close();
      return;
    }
    this.#pump();
  }

  #accept(frame: Buffer): void {
    if (this.#ending.hasCome) return;
    if (this.#session.takesBareTokens) {
      this.#waiting.push({
        header: BARE_TOKEN,
        api: this.#registry.bareToken,
        frame,
        receivedMs: this.#receivedMs,
      });
      this.#heldBytes += frame.length;
      return;
    }
    const header = decodeRequestHeader(frame);
    const api = this.#registry.get(header.apiKey);
    if (!api || header.apiVersion < api.servedFrom || header.apiVersion > api.versions[1]) {
      if (header.apiKey !== API.ApiVersions) {
        throw new NotKafka(`API ${header.apiKey} version ${header.apiVersion} is not served`);
      }
      // KIP-511: an unknown version of ApiVersions is answered in the layout of version 0, with its own range.
      this.#waiting.push({
        header: { ...header, apiVersion: 0 },
        api: this.#registry.refusedVersions,
        frame: NONE,
        receivedMs: this.#receivedMs,
      });
      return;
    }
    this.#waiting.push({ header, api, frame, receivedMs: this.#receivedMs });
    this.#heldBytes += frame.length;
  }

  /** Starts what may start. */
  #pump(): void {
    // An answer that is there at once pumps again; a loop, unlike that, has no depth.
    if (this.#pumping) return;
    this.#pumping = true;
    let next = this.#nextToStart();
    for (; next; next = this.#nextToStart()) this.#start(next);
    this.#pumping = false;
    this.#regulate();
  }

  #nextToStart(): Waiting | undefined {
    const next = this.#waiting[0];
    if (!next || this.#ending.hasCome) return undefined;
    const free = this.#started.length === 0 || (next.api.pipelined && this.#allPipelined);
    const full =
      this.#started.length >= MAX_WAITING_REQUESTS ||
      this.#socket.writableLength + this.#outgoingBytes > MAX_UNSENT_BYTES;
    return free && !full ? this.#waiting.shift() : undefined;
  }

  #start(waiting: Waiting): void {
    const { header, api } = waiting;
    if (!this.#session.admits(header.apiKey)) {
      const state = this.#session.isKnown ? 'the login has expired' : 'there is no login yet';
      this.#refuse(`API ${header.apiKey} was asked for while ${state}`);
      return;
    }
    const slot: Started = { chunks: undefined, close: false };
    this.#allPipelined = api.pipelined && (this.#started.length === 0 || this.#allPipelined);
    this.#started.push(slot);
    try {
      const answer = answerRequest(api, bodyOf(waiting), this.#contextOf(header));
      if (answer instanceof Promise) {
        answer.then(
          (body: unknown) => this.#finish(slot, waiting, body),
          (error: unknown) => this.#failed(header, error),
        );
      } else {
        this.#finish(slot, waiting, answer);
      }
    } catch (error) {
      this.#failed(header, error);
    }
  }

  #contextOf(header: RequestHeader): RequestContext {
    return {
      broker: this.#broker,
      apiVersion: header.apiVersion,
      clientId: header.clientId ?? '',
      clientHost: this.#clientHost,
      listener: this.#listener,
      session: this.#session,
      access: this.#access(),
      ending: this.#ending,
    };
  }

  /** Undefined without an authorizer: everything may be done. */
  #access(): Access | undefined {
    const { authorizer } = this.#broker;
    const { principal } = this.#session;
    return authorizer && new Access(authorizer, { principal, host: this.#clientHost.slice(1) });
  }

  #finish(slot: Started, { header, api, frame, receivedMs }: Waiting, body: unknown): void {
    this.#heldBytes -= frame.length;
    if (api.releasesFrame) this.#framePool.give(frame);
    if (this.#ending.hasCome) return;
    if (body === CLOSE || this.#session.isOver) slot.close = true;
    if (this.#session.isKnown) clearTimeout(this.#loginTimer);
    try {
      slot.chunks =
        body === NO_REPLY || body === CLOSE
          ? []
          : header === BARE_TOKEN
            ? [frameOf(body as Buffer)]
            : encodeResponse(header.apiKey, header.apiVersion, header.correlationId, body as Body);
    } catch (error) {
      this.#failed(header, error);
      return;
    }
    const { apiKey, apiVersion } = header;
    let size = 0;
    for (const chunk of slot.chunks) size += chunk.length;
    this.#broker.metrics.answered(apiKey, apiVersion, receivedMs, performance.now(), frame.length, size);
    this.#send();
    this.#pump();
  }

  /** Sends the answers that are due, all of one turn in one write. */
  #send(): void {
    let count = 0;
    for (const { chunks, close } of this.#started) {
      if (!chunks) break;
      count++;
      for (const chunk of chunks) {
        this.#outgoing.push(chunk);
        this.#outgoingBytes += chunk.length;
      }
      if (close) {
        this.#flush();
        this.#socket.end();
        this.#end();
        return;
      }
    }
    if (count === this.#started.length) this.#started.length = 0;
    else this.#started.splice(0, count);
    if (this.#started.length === 0) this.#allPipelined = true;
    if (this.#sending || this.#outgoing.length === 0) return;
    this.#sending = true;
    process.nextTick(this.#onTurnEnd);
  }

  #flush(): void {
    this.#sending = false;
    const chunks = this.#outgoing;
    const size = this.#outgoingBytes;
    if (size === 0) return;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    // A write each costs more than copying small answers together.
    if (size <= MAX_JOINED_BYTES) {
      this.#socket.write(Buffer.concat(chunks, size));
      return;
    }
    this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
    this.#youngCollector.note(size);
  }

  #failed(header: RequestHeader, error: unknown): void {
    const { apiKey, apiVersion } = header;
    if (this.#ending.hasCome) return;
    this.#logger.warn(
      { err: toError(error), client: this.#clientHost, apiKey, apiVersion },
      'a request failed; its connection is closed',
    );
    this.close();
  }

  /** Stops reading a socket whose requests pile up; INV-5. */
  #regulate(): void {
    const full = this.#waiting.length >= MAX_WAITING_REQUESTS || this.#heldBytes > MAX_HELD_BYTES;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }
}

const NONE = Buffer.alloc(0);
/** Stands for the header that tokens do not have after a SaslHandshake of version 0. */
const BARE_TOKEN: RequestHeader = {
  apiKey: API.SaslAuthenticate,
  apiVersion: 0,
  correlationId: 0,
  clientId: null,
  bodyOffset: 0,
};

function bodyOf({ header, frame }: Waiting): unknown {
  if (header === BARE_TOKEN) return { authBytes: frame };
  return frame === NONE ? {} : decodeRequestBody(header.apiKey, header.apiVersion, frame, header.bodyOffset);
}

function frameOf(bytes: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + bytes.length);
  frame.writeInt32BE(bytes.length);
  bytes.copy(frame, 4);
  return frame;
}
