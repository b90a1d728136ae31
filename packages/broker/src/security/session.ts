// Who is at the other end of a connection, and what he may send at present. On a listener without SASL that is settled
// from the start. On one with SASL: first ApiVersions and SaslHandshake, then the tokens of the chosen mechanism, then
// everything, until the login is too old (KIP-368).
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import {
  beginExchange,
  LoginFailed,
  type LoginStep,
  type SaslExchange,
  type SaslMechanism,
  type SaslSettings,
} from './sasl-exchange.ts';

/** - `open`: no login wanted · `initial`: nothing said yet · `login`: tokens · `complete` · `failed` */
type State = 'open' | 'initial' | 'login' | 'complete' | 'failed';

export interface SessionOptions {
  /** Who it is without a login, or before. */
  readonly principal: string;
  readonly sasl: SaslSettings | undefined;
  readonly nowMs: () => number;
  /** A login went wrong; the text has no secret in it. */
  readonly onFailure: (reason: string) => void;
}

/** What SaslAuthenticate is answered. */
export interface LoginAnswer {
  readonly errorCode: number;
  readonly errorMessage: string;
  readonly authBytes: Buffer;
  readonly sessionLifetimeMs: number;
}

export class Session {
  readonly #options: SessionOptions;
  #principal: string;
  #state: State;
  #mechanism: SaslMechanism | undefined;
  #exchange: SaslExchange | undefined;
  /** Tokens come without a Kafka header, as after the handshake of version 0. */
  #bareTokens = false;
  /** Monotonic; undefined as long as the login does not end by itself. */
  #expiresAtMs: number | undefined;
  /** The login before, while it is renewed. */
  #renewed: { readonly principal: string; readonly mechanism: SaslMechanism | undefined } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#principal = options.principal;
    this.#state = options.sasl ? 'initial' : 'open';
  }

  /** `User:alice`. */
  get principal(): string {
    return this.#principal;
  }
  /** Whether it is settled who it is. */
  get isKnown(): boolean {
    return this.#state === 'open' || this.#state === 'complete' || this.#renewed !== undefined;
  }
  /** The connection is to be closed once what was answered has left. */
  get isOver(): boolean {
    return this.#state === 'failed';
  }
  /** The next frame is a token, not a request. */
  get takesBareTokens(): boolean {
    return this.#bareTokens && this.#state === 'login';
  }
  /** How long the answer to a failed login is held back. */
  get failureDelayMs(): number {
    return this.#options.sasl?.failureDelayMs ?? 0;
  }
  /** Longest frame taken at present. */
  maxFrameBytes(usual: number): number {
    const { sasl } = this.#options;
    return this.isKnown || !sasl ? usual : Math.min(usual, sasl.maxReceiveBytes);
  }

  /** Whether a request of this API may be served now; if not, the connection ends, as in Kafka. */
  admits(apiKey: number): boolean {
    switch (this.#state) {
      case 'open':
        return true;
      case 'initial':
        return apiKey === API.ApiVersions || apiKey === API.SaslHandshake;
      case 'login':
        return apiKey === API.SaslAuthenticate;
      case 'complete':
        return apiKey === API.SaslHandshake || !this.#isExpired;
      case 'failed':
        return false;
      default:
        return this.#state satisfies never;
    }
  }

  /** SaslHandshake: chooses a mechanism, for the first login or to renew one. */
  handshake(mechanism: string, version: number): { errorCode: number; mechanisms: readonly string[] } {
    const { sasl } = this.#options;
    const mayRenew = this.#state === 'complete' && this.#expiresAtMs !== undefined;
    if (!sasl || (this.#state !== 'initial' && !mayRenew)) {
      return { errorCode: KafkaErrors.ILLEGAL_SASL_STATE.code, mechanisms: [] };
    }
    const chosen = sasl.mechanisms.find((name) => name === mechanism);
    if (chosen === undefined) {
      this.#fail('the client wants a SASL mechanism that is not enabled');
      return { errorCode: KafkaErrors.UNSUPPORTED_SASL_MECHANISM.code, mechanisms: sasl.mechanisms };
    }
    if (mayRenew) this.#renewed = { principal: this.#principal, mechanism: this.#mechanism };
    this.#mechanism = chosen;
    this.#exchange = beginExchange(chosen, sasl);
    this.#bareTokens = version === 0;
    this.#state = 'login';
    return { errorCode: 0, mechanisms: sasl.mechanisms };
  }

  /** SaslAuthenticate: one token. A failed login ends the session. */
  authenticate(token: Buffer): LoginAnswer {
    if (this.#state !== 'login' || !this.#exchange) {
      return failure(KafkaErrors.ILLEGAL_SASL_STATE.code, 'SaslAuthenticate came out of turn');
    }
    try {
      const step = this.#exchange(token);
      if (step.user !== undefined) this.#complete(step.user);
      return {
        errorCode: 0,
        errorMessage: '',
        authBytes: step.challenge,
        sessionLifetimeMs: this.#lifetimeMs(step),
      };
    } catch (error) {
      if (!(error instanceof LoginFailed)) throw error;
      this.#fail(error.message);
      return failure(KafkaErrors.SASL_AUTHENTICATION_FAILED.code, error.message);
    }
  }

  #complete(user: string): void {
    const principal = `User:${user}`;
    const before = this.#renewed;
    if (before && (before.principal !== principal || before.mechanism !== this.#mechanism)) {
      throw new LoginFailed(
        'Cannot change principals or mechanisms during re-authentication of a connection',
      );
    }
    this.#principal = principal;
    this.#renewed = undefined;
    this.#exchange = undefined;
    this.#state = 'complete';
    const lifetimeMs = this.#options.sasl?.maxReauthMs ?? 0;
    this.#expiresAtMs = lifetimeMs > 0 ? this.#options.nowMs() + lifetimeMs : undefined;
  }

  #lifetimeMs(step: LoginStep): number {
    return step.user === undefined ? 0 : (this.#options.sasl?.maxReauthMs ?? 0);
  }

  get #isExpired(): boolean {
    return this.#expiresAtMs !== undefined && this.#options.nowMs() > this.#expiresAtMs;
  }

  #fail(reason: string): void {
    this.#state = 'failed';
    this.#exchange = undefined;
    this.#renewed = undefined;
    this.#options.onFailure(reason);
  }
}

function failure(errorCode: number, errorMessage: string): LoginAnswer {
  return { errorCode, errorMessage, authBytes: Buffer.alloc(0), sessionLifetimeMs: 0 };
}
