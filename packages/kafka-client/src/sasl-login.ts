// Logs a connection in over SASL: SaslHandshake, then the tokens of PLAIN or SCRAM in SaslAuthenticate. A refusal is
// final: trying the same password again would only be refused again.
import { MillraceError } from '@millrace/foundation';
import {
  API,
  checkServerFinal,
  clientFinal,
  clientFirst,
  KafkaErrors,
  kafkaError,
  parseServerFirst,
  ScramError,
  type ScramMechanism,
  saltPassword,
} from '@millrace/kafka-protocol';
import type { Connection, ConnectionOptions } from './connection.ts';
import { clientError } from './errors.ts';

export interface SaslLogin {
  readonly mechanism: 'PLAIN' | ScramMechanism;
  readonly username: string;
  readonly password: string;
}

/** Makes the step of a connection that logs it in, and says how long that is good for. */
export function saslLogin(login: SaslLogin): NonNullable<ConnectionOptions['authenticate']> {
  return async (connection) => {
    await handshake(connection, login.mechanism);
    if (login.mechanism === 'PLAIN') {
      const token = Buffer.from(`\0${login.username}\0${login.password}`);
      return (await send(connection, login, token)).lifetimeMs;
    }
    return scram(connection, login, login.mechanism);
  };
}

async function handshake(connection: Connection, mechanism: string): Promise<void> {
  if (connection.versionFor(API.SaslHandshake) < 1) {
    throw refused(connection, `the broker is too old for ${mechanism} as this client speaks it`);
  }
  const { errorCode, mechanisms } = await connection.request(API.SaslHandshake, { mechanism });
  if (errorCode === 0) return;
  if (errorCode === KafkaErrors.UNSUPPORTED_SASL_MECHANISM.code) {
    const offered = mechanisms.join(', ');
    throw refused(
      connection,
      `the broker offers ${offered} and not ${mechanism}`,
      'UnsupportedSaslMechanismException',
    );
  }
  const hint = errorCode === KafkaErrors.ILLEGAL_SASL_STATE.code ? '; this listener takes no logins' : '';
  throw refused(connection, `${kafkaError(errorCode).message}${hint}`, 'IllegalSaslStateException');
}

async function scram(connection: Connection, login: SaslLogin, mechanism: ScramMechanism): Promise<number> {
  const first = clientFirst(login.username);
  const challenge = await send(connection, login, Buffer.from(`${first.header}${first.bare}`));
  try {
    const server = parseServerFirst(challenge.bytes, first);
    const salted = await saltPassword(mechanism, login.password, server.salt, server.iterations);
    const { message, serverSignature } = clientFinal(mechanism, salted, first, server);
    const last = await send(connection, login, Buffer.from(message));
    checkServerFinal(last.bytes, serverSignature);
    return last.lifetimeMs;
  } catch (error) {
    if (error instanceof ScramError) throw refused(connection, error.message);
    throw error;
  }
}

async function send(
  connection: Connection,
  { username, mechanism }: SaslLogin,
  authBytes: Buffer,
): Promise<{ readonly bytes: Buffer; readonly lifetimeMs: number }> {
  const answer = await connection.request(API.SaslAuthenticate, { authBytes });
  if (answer.errorCode !== 0) {
    const reason = answer.errorMessage || kafkaError(answer.errorCode).message;
    throw refused(connection, `${reason} (user ${username}, ${mechanism})`);
  }
  return { bytes: answer.authBytes, lifetimeMs: Number(answer.sessionLifetimeMs) };
}

function refused(
  connection: Connection,
  reason: string,
  javaName = 'SaslAuthenticationException',
): MillraceError {
  return clientError('kafka.authentication_failed', `The login at ${connection.address} failed: ${reason}.`, {
    context: { address: connection.address },
    javaClass: `org.apache.kafka.common.errors.${javaName}`,
  });
}
