// The security keys of Kafka's clients, as what a connection needs: how to dial, how to log in.
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { MillraceError } from '@millrace/foundation';
import {
  isScramMechanism,
  type JaasEntry,
  JaasError,
  parseJaas,
  tlsSettings,
} from '@millrace/kafka-protocol';
import type { ConnectionOptions } from './connection.ts';
import { type SaslLogin, saslLogin } from './sasl-login.ts';

/** Parts of the options of a connection or a cluster. */
export type ClientSecurity = Pick<ConnectionOptions, 'dial' | 'authenticate'>;

const PROTOCOLS: readonly string[] = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule';

/** Whether a key is one of those read here; prefixes such as `producer.` cut off. */
export function isSecurityKey(key: string): boolean {
  return /^(security\.protocol$|ssl\.|sasl\.)/.test(key);
}

/**
 * Reads `security.protocol`, `sasl.mechanism`, `sasl.jaas.config` and `ssl.*`; other keys are none of its business.
 * Without any of them connections are plain.
 *
 * @throws config.invalid that names the key; never with a secret in its text
 */
export function clientSecurity(
  properties: Readonly<Record<string, string | null | undefined>>,
): ClientSecurity {
  const read = (key: string): string | undefined => properties[key] ?? undefined;
  const protocol = (read('security.protocol')?.trim() || 'PLAINTEXT').toUpperCase();
  if (!PROTOCOLS.includes(protocol)) {
    throw invalid(
      'security.protocol',
      `Invalid value ${protocol} for configuration security.protocol: String must be one of: ${PROTOCOLS.join(', ')}`,
    );
  }
  const hasTls = protocol === 'SSL' || protocol === 'SASL_SSL';
  const hasSasl = protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL';
  return {
    ...(hasTls ? { dial: tlsDial(read) } : {}),
    ...(hasSasl ? { authenticate: saslLogin(readLogin(read)) } : {}),
  };
}

function tlsDial(read: (key: string) => string | undefined): (host: string, port: number) => Socket {
  const identification = read('ssl.endpoint.identification.algorithm')?.trim().toLowerCase() ?? 'https';
  if (identification !== 'https' && identification !== '') {
    throw invalid(
      'ssl.endpoint.identification.algorithm',
      `Invalid value ${identification} for configuration ssl.endpoint.identification.algorithm: expected https, or nothing to leave the host name unchecked`,
    );
  }
  const settings: TlsOptions = {
    ...tlsSettings(read),
    ...(identification === '' ? { checkServerIdentity: () => undefined } : {}),
  };
  return (host, port) => {
    const socket = connectTls({ ...settings, host, port, ...(isIP(host) === 0 ? { servername: host } : {}) });
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    return socket;
  };
}

function readLogin(read: (key: string) => string | undefined): SaslLogin {
  const mechanism = read('sasl.mechanism')?.trim() || 'GSSAPI';
  if (mechanism !== 'PLAIN' && !isScramMechanism(mechanism)) {
    throw invalid(
      'sasl.mechanism',
      `Invalid value ${mechanism} for configuration sasl.mechanism: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512`,
      'Kafka takes it for GSSAPI when it is not set, which is not supported here.',
    );
  }
  const module = mechanism === 'PLAIN' ? PLAIN_MODULE : SCRAM_MODULE;
  const text = read('sasl.jaas.config')?.trim();
  if (text === undefined || text === '') {
    throw invalid(
      'sasl.jaas.config',
      `sasl.jaas.config is missing: ${mechanism} needs a user and a password.`,
      `Set sasl.jaas.config=${module} required username="USER" password="PASSWORD";`,
    );
  }
  const { loginModule, options } = readJaas(text);
  const username = options.get('username');
  const password = options.get('password');
  if (loginModule !== module || username === undefined || password === undefined) {
    throw invalid(
      'sasl.jaas.config',
      `Invalid value [hidden] for configuration sasl.jaas.config: ${mechanism} needs ${module} with username and password.`,
    );
  }
  return { mechanism, username, password };
}

function readJaas(text: string): JaasEntry {
  try {
    return parseJaas(text);
  } catch (error) {
    if (!(error instanceof JaasError)) throw error;
    // INV-11: the text itself holds the password.
    throw invalid(
      'sasl.jaas.config',
      `Invalid value [hidden] for configuration sasl.jaas.config: ${error.message}.`,
    );
  }
}

function invalid(configKey: string, message: string, hint?: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    ...(hint === undefined ? {} : { hint }),
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
