// One login over SASL: the client's tokens in, challenges out, and in the end who he is. PLAIN (RFC 4616) and SCRAM.
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  checkClientFinal,
  isScramMechanism,
  newNonce,
  parseClientFirst,
  type ScramCredential,
  type ScramMechanism,
  serverFirst,
} from '@millrace/kafka-protocol';
import type { ScramCredentials } from './scram-credentials.ts';

export type SaslMechanism = 'PLAIN' | ScramMechanism;

/** Who may log in at a listener, and how. */
export interface SaslSettings {
  /** In the order of `sasl.enabled.mechanisms`. */
  readonly mechanisms: readonly SaslMechanism[];
  /** Passwords of PLAIN by user. */
  readonly plainUsers: ReadonlyMap<string, string>;
  readonly scram: ScramCredentials;
  /** How long a login is good for; 0 = as long as the connection. */
  readonly maxReauthMs: number;
  /** Longest token, and any other request, before the login is through. */
  readonly maxReceiveBytes: number;
  /** How long the answer to a failed login is held back, against guessing. */
  readonly failureDelayMs: number;
}

/** The login failed. The message is for the client: it says no more than Kafka's would. */
export class LoginFailed extends Error {}

/** What comes after a token: a challenge; with the user, when the login is through. */
export interface LoginStep {
  readonly challenge: Buffer;
  readonly user?: string;
}

/** Takes the client's tokens one after the other. @throws LoginFailed */
export type SaslExchange = (token: Buffer) => LoginStep;

/** Begins a login. */
export function beginExchange(mechanism: SaslMechanism, settings: SaslSettings): SaslExchange {
  if (isScramMechanism(mechanism)) return scramExchange(mechanism, settings.scram);
  return (token) => plainLogin(token, settings.plainUsers);
}

function plainLogin(token: Buffer, users: ReadonlyMap<string, string>): LoginStep {
  const parts = token.toString('utf8').split('\0');
  const [authorizationId = '', user = '', password = ''] = parts;
  if (parts.length !== 3) {
    throw new LoginFailed(`Invalid SASL/PLAIN response: expected 3 tokens, got ${parts.length}`);
  }
  if (user === '') throw new LoginFailed('Authentication failed: username not specified');
  if (password === '') throw new LoginFailed('Authentication failed: password not specified');
  const expected = users.get(user);
  // An unknown user takes as long as a wrong password.
  const isRight = sameText(password, expected ?? '') && expected !== undefined;
  if (!isRight) throw new LoginFailed('Authentication failed: Invalid username or password');
  if (authorizationId !== '' && authorizationId !== user) {
    throw new LoginFailed(
      'Authentication failed: Client requested an authorization id that is different from username',
    );
  }
  return { challenge: Buffer.alloc(0), user };
}

function sameText(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function scramExchange(mechanism: ScramMechanism, credentials: ScramCredentials): SaslExchange {
  let begun: Parameters<typeof checkClientFinal>[2] | undefined;
  let credential: ScramCredential | undefined;
  const fail = (): never => {
    throw new LoginFailed(
      `Authentication failed during authentication due to invalid credentials with SASL mechanism ${mechanism}`,
    );
  };
  return (token) => {
    try {
      if (begun && credential) {
        const final = checkClientFinal(mechanism, credential, begun, token);
        return { challenge: Buffer.from(final), user: begun.first.user };
      }
      const first = parseClientFirst(token);
      credential = credentials.find(mechanism, first.user);
      const isOther = first.authorizationId !== '' && first.authorizationId !== first.user;
      // Kafka, too, tells at the first message that there is no such user.
      if (!credential || isOther) return fail();
      const nonce = `${first.nonce}${newNonce()}`;
      begun = { first, nonce, serverFirst: serverFirst(nonce, credential) };
      return { challenge: Buffer.from(begun.serverFirst) };
    } catch {
      return fail();
    }
  };
}
