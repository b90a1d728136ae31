// SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677) as Kafka speaks them: without channel binding, names and
// passwords as UTF-8 without SASLprep. The arithmetic and the messages; whose turn it is, client and broker know.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** Numbers in AlterUserScramCredentials, hash functions, and the length of a hash in bytes. */
export const SCRAM_MECHANISMS: Readonly<
  Record<ScramMechanism, { readonly code: number; readonly hash: string; readonly hashBytes: number }>
> = {
  'SCRAM-SHA-256': { code: 1, hash: 'sha256', hashBytes: 32 },
  'SCRAM-SHA-512': { code: 2, hash: 'sha512', hashBytes: 64 },
};

/** Fewest iterations a credential may have, as in Kafka. */
export const SCRAM_MIN_ITERATIONS = 4096;
/** Most iterations Kafka stores. */
export const SCRAM_MAX_ITERATIONS = 16_384;
/** Most iterations a client carries out, whatever a server asks for: a bound on its work. */
const MOST_ITERATIONS_DONE = 1_000_000;

/** What a server keeps of a password: enough to check who knows it, not to log in elsewhere with it. */
export interface ScramCredential {
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  readonly iterations: number;
}

/** Whether a text names a mechanism of this file. */
export function isScramMechanism(name: string): name is ScramMechanism {
  return Object.hasOwn(SCRAM_MECHANISMS, name);
}

const derive = promisify(pbkdf2);

/** Salts a password; the costly part. @throws ScramError when too many iterations are asked for */
export function saltPassword(
  mechanism: ScramMechanism,
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<Buffer> {
  if (!(iterations >= 1 && iterations <= MOST_ITERATIONS_DONE)) {
    throw new ScramError(`${iterations} iterations are outside 1 to ${MOST_ITERATIONS_DONE}`);
  }
  const { hash, hashBytes } = SCRAM_MECHANISMS[mechanism];
  return derive(password, salt, iterations, hashBytes, hash);
}

/** What a server keeps, from a salted password. */
export function scramCredential(
  mechanism: ScramMechanism,
  saltedPassword: Buffer,
  salt: Buffer,
  iterations: number,
): ScramCredential {
  const clientKey = hmac(mechanism, saltedPassword, 'Client Key');
  return {
    salt,
    storedKey: digest(mechanism, clientKey),
    serverKey: hmac(mechanism, saltedPassword, 'Server Key'),
    iterations,
  };
}

/** A message is not one of SCRAM, or what it proves is false. */
export class ScramError extends Error {}

/** What the client says first. */
export interface ClientFirst {
  /** The header that stands for "no channel binding"; repeated by the last message. */
  readonly header: string;
  readonly bare: string;
  readonly user: string;
  /** Empty when not given. */
  readonly authorizationId: string;
  readonly nonce: string;
}

const PRINTABLE = String.raw`[\x21-\x2b\x2d-\x7e]+`;
const BASE64 = '[A-Za-z0-9+/]+={0,2}';
const CLIENT_FIRST = new RegExp(`^(n,(?:a=([^,]*))?,)(n=([^,]+),r=(${PRINTABLE})(?:,.*)?)$`, 's');
const SERVER_FIRST = new RegExp(`^r=(${PRINTABLE}),s=(${BASE64}),i=([1-9][0-9]{0,9})(?:,.*)?$`, 's');
const CLIENT_FINAL = new RegExp(`^(c=(${BASE64}),r=(${PRINTABLE})(?:,.*)?),p=(${BASE64})$`, 's');
const SERVER_FINAL = new RegExp(`^(?:e=([^,]*)|v=(${BASE64}))(?:,.*)?$`, 's');

/** @throws ScramError */
export function parseClientFirst(message: Buffer): ClientFirst {
  const match = CLIENT_FIRST.exec(message.toString('utf8'));
  const [, header = '', authorizationId = '', bare = '', user = '', nonce = ''] = match ?? [];
  if (!match) throw new ScramError('the first message is not one of SCRAM without channel binding');
  return { header, bare, user: decodeName(user), authorizationId: decodeName(authorizationId), nonce };
}

/** The client's first message for a user. */
export function clientFirst(user: string, nonce: string = newNonce()): ClientFirst {
  const encoded = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
  return { header: 'n,,', bare: `n=${encoded},r=${nonce}`, user, authorizationId: '', nonce };
}

/** @throws ScramError when the message is none, or does not answer the client's */
export function parseServerFirst(
  message: Buffer,
  first: ClientFirst,
): { readonly text: string; readonly nonce: string; readonly salt: Buffer; readonly iterations: number } {
  const text = message.toString('utf8');
  const match = SERVER_FIRST.exec(text);
  const [, nonce = '', salt = '', iterations = ''] = match ?? [];
  if (!match) throw new ScramError("the server's first message is not one of SCRAM");
  if (!nonce.startsWith(first.nonce) || nonce.length === first.nonce.length) {
    throw new ScramError("the server's nonce does not continue the client's");
  }
  // Whoever plays the server could otherwise have a proof made that gives the password away.
  if (Number(iterations) < SCRAM_MIN_ITERATIONS) {
    throw new ScramError(`the server asks for ${iterations} iterations, fewer than ${SCRAM_MIN_ITERATIONS}`);
  }
  return { text, nonce, salt: Buffer.from(salt, 'base64'), iterations: Number(iterations) };
}

/** The server's first message. */
export function serverFirst(nonce: string, { salt, iterations }: ScramCredential): string {
  return `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;
}

/** The client's last message, and the signature by which the server must show that it knows the credential. */
export function clientFinal(
  mechanism: ScramMechanism,
  saltedPassword: Buffer,
  first: ClientFirst,
  server: { readonly text: string; readonly nonce: string },
): { readonly message: string; readonly serverSignature: Buffer } {
  const withoutProof = `c=${Buffer.from(first.header).toString('base64')},r=${server.nonce}`;
  const authMessage = `${first.bare},${server.text},${withoutProof}`;
  const clientKey = hmac(mechanism, saltedPassword, 'Client Key');
  const signature = hmac(mechanism, digest(mechanism, clientKey), authMessage);
  const proof = xor(clientKey, signature).toString('base64');
  return {
    message: `${withoutProof},p=${proof}`,
    serverSignature: hmac(mechanism, hmac(mechanism, saltedPassword, 'Server Key'), authMessage),
  };
}

/**
 * Checks a client's last message; the answer carries the server's signature.
 *
 * @throws ScramError when the message is none, or the proof is false
 */
export function checkClientFinal(
  mechanism: ScramMechanism,
  credential: ScramCredential,
  exchange: { readonly first: ClientFirst; readonly serverFirst: string; readonly nonce: string },
  message: Buffer,
): string {
  const match = CLIENT_FINAL.exec(message.toString('utf8'));
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match ?? [];
  if (!match) throw new ScramError('the last message is not one of SCRAM');
  const header = Buffer.from(binding, 'base64').toString('utf8');
  // Java's client binds to the empty header even where it named an authorization id.
  if (header !== exchange.first.header && header !== 'n,,') throw new ScramError('wrong channel binding');
  if (nonce !== exchange.nonce) throw new ScramError('the nonce is not the one of this exchange');
  const authMessage = `${exchange.first.bare},${exchange.serverFirst},${withoutProof}`;
  const given = Buffer.from(proof, 'base64');
  const signature = hmac(mechanism, credential.storedKey, authMessage);
  if (given.length !== signature.length) throw new ScramError('the proof has the wrong length');
  if (!timingSafeEqual(digest(mechanism, xor(given, signature)), credential.storedKey)) {
    throw new ScramError('the proof is false');
  }
  return `v=${hmac(mechanism, credential.serverKey, authMessage).toString('base64')}`;
}

/** Checks the server's last message. @throws ScramError when the server does not know the credential */
export function checkServerFinal(message: Buffer, serverSignature: Buffer): void {
  const [, error, given] = SERVER_FINAL.exec(message.toString('utf8')) ?? [];
  if (error !== undefined) throw new ScramError(`the server refused: ${error}`);
  const signature = Buffer.from(given ?? '', 'base64');
  if (signature.length !== serverSignature.length || !timingSafeEqual(signature, serverSignature)) {
    throw new ScramError("the server's signature is false: it does not know this user's credential");
  }
}

/** A fresh part of a nonce. */
export function newNonce(): string {
  return randomBytes(24).toString('base64url');
}

function decodeName(text: string): string {
  if (/=(?!2C|3D)/.test(text)) throw new ScramError('a name is not encoded as SCRAM wants it');
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function hmac(mechanism: ScramMechanism, key: Buffer, text: string): Buffer {
  return createHmac(SCRAM_MECHANISMS[mechanism].hash, key).update(text).digest();
}

function digest(mechanism: ScramMechanism, bytes: Buffer): Buffer {
  return createHash(SCRAM_MECHANISMS[mechanism].hash).update(bytes).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)));
}
