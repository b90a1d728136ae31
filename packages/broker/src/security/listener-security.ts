// What server.properties says about the security of one listener: TLS with keys and client certificates, SASL with its
// mechanisms and users. Keys of a listener (`listener.name.NAME.KEY`, the name in lower case) beat those of all.
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { MillraceError } from '@millrace/foundation';
import {
  hasKeyStore,
  isScramMechanism,
  type JaasEntry,
  JaasError,
  parseJaas,
  type SettingReader,
  tlsSettings,
} from '@millrace/kafka-protocol';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import type { SaslMechanism, SaslSettings } from './sasl-exchange.ts';
import type { ScramCredentials } from './scram-credentials.ts';
import { sslPrincipals } from './ssl-principal.ts';

export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';
export const SECURITY_PROTOCOLS: readonly SecurityProtocol[] = [
  'PLAINTEXT',
  'SSL',
  'SASL_PLAINTEXT',
  'SASL_SSL',
];

export interface ListenerTls {
  readonly context: SecureContextOptions;
  readonly clientAuth: 'none' | 'requested' | 'required';
  /** Who a connection is without a login. */
  readonly principalOf: (socket: TLSSocket) => string;
}

/** How a listener is protected; undefined parts are not wanted. */
export interface ListenerSecurity {
  readonly protocol: SecurityProtocol;
  readonly tls: ListenerTls | undefined;
  readonly sasl: SaslSettings | undefined;
}

/** A user and password that the config names for the broker's own logins, as Kafka's brokers use between them. */
export interface OwnLogin {
  readonly mechanism: SaslMechanism;
  readonly username: string;
  readonly password: string;
}

const MODULES: Readonly<Record<SaslMechanism, string>> = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
};
const USER_OPTION = 'user_';

/** @throws config.invalid that names the key */
export function listenerSecurity(
  config: BrokerConfig,
  listener: string,
  protocol: SecurityProtocol,
  scram: ScramCredentials,
): ListenerSecurity {
  const read = config.forListener(listener);
  const hasTls = protocol === 'SSL' || protocol === 'SASL_SSL';
  const hasSasl = protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL';
  return {
    protocol,
    tls: hasTls ? listenerTls(config, listener, protocol, read) : undefined,
    sasl: hasSasl ? listenerSasl(listener, read, scram) : undefined,
  };
}

/** The broker's own logins that the config of a listener names. @throws config.invalid */
export function ownLogins(config: BrokerConfig, listener: string): OwnLogin[] {
  const read = config.forListener(listener);
  return mechanismsOf(listener, read).flatMap((mechanism) => {
    const options = jaasOf(listener, mechanism, read)?.options;
    const username = options?.get('username');
    const password = options?.get('password');
    return username === undefined || password === undefined ? [] : [{ mechanism, username, password }];
  });
}

function listenerTls(
  config: BrokerConfig,
  listener: string,
  protocol: SecurityProtocol,
  read: SettingReader,
): ListenerTls {
  if (!hasKeyStore(read)) {
    throw invalid(
      'ssl.keystore.location',
      `Listener ${listener} speaks TLS and has no certificate.`,
      'Set ssl.keystore.location to a PEM or PKCS12 file, or ssl.keystore.key and ssl.keystore.certificate.chain to PEM texts.',
    );
  }
  // With SASL on top, only what is said for this very listener makes client certificates necessary (KIP-684).
  const key = `listener.name.${listener.toLowerCase()}.ssl.client.auth`;
  const clientAuth = (protocol === 'SASL_SSL' ? config.given(key) : read('ssl.client.auth')) ?? 'none';
  if (clientAuth !== 'none' && clientAuth !== 'requested' && clientAuth !== 'required') {
    throw invalid(
      'ssl.client.auth',
      `Invalid value ${clientAuth} for configuration ssl.client.auth: String must be one of: required, requested, none`,
    );
  }
  return {
    context: tlsSettings(read),
    clientAuth,
    principalOf: sslPrincipals(read('ssl.principal.mapping.rules') ?? 'DEFAULT'),
  };
}

function listenerSasl(listener: string, read: SettingReader, scram: ScramCredentials): SaslSettings {
  const mechanisms = mechanismsOf(listener, read);
  const plainUsers = new Map<string, string>();
  if (mechanisms.includes('PLAIN')) {
    const jaas = jaasOf(listener, 'PLAIN', read);
    if (!jaas) {
      throw invalid(
        jaasKey(listener, 'PLAIN'),
        `Listener ${listener} offers PLAIN and has no users.`,
        `Set ${jaasKey(listener, 'PLAIN')}=${MODULES.PLAIN} required user_NAME="PASSWORD";`,
      );
    }
    for (const [option, value] of jaas.options) {
      if (option.startsWith(USER_OPTION)) plainUsers.set(option.slice(USER_OPTION.length), value);
    }
  }
  return {
    mechanisms,
    plainUsers,
    scram,
    maxReauthMs: Number(read('connections.max.reauth.ms') ?? 0),
    maxReceiveBytes: Number(read('sasl.server.max.receive.size') ?? 524_288),
    failureDelayMs: Number(read('connection.failed.authentication.delay.ms') ?? 100),
  };
}

function mechanismsOf(listener: string, read: SettingReader): SaslMechanism[] {
  const names = (read('sasl.enabled.mechanisms') ?? '').split(',').map((name) => name.trim().toUpperCase());
  return names
    .filter((name) => name !== '')
    .map((name) => {
      if (name === 'PLAIN' || isScramMechanism(name)) return name;
      throw invalid(
        'sasl.enabled.mechanisms',
        `Listener ${listener} offers ${name}, which is not supported.`,
        'Set sasl.enabled.mechanisms to some of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; Kafka takes it for GSSAPI when it is not set.',
      );
    });
}

function jaasKey(listener: string, mechanism: SaslMechanism): string {
  return `listener.name.${listener.toLowerCase()}.${mechanism.toLowerCase()}.sasl.jaas.config`;
}

function jaasOf(listener: string, mechanism: SaslMechanism, read: SettingReader): JaasEntry | undefined {
  const text = read(`${mechanism.toLowerCase()}.sasl.jaas.config`);
  if (text === undefined || text === '') return undefined;
  const key = jaasKey(listener, mechanism);
  try {
    const entry = parseJaas(text);
    if (entry.loginModule === MODULES[mechanism]) return entry;
  } catch (error) {
    if (!(error instanceof JaasError)) throw error;
    // INV-11: the text itself holds passwords.
    throw invalid(key, `Invalid value [hidden] for configuration ${key}: ${error.message}.`);
  }
  throw invalid(
    key,
    `Invalid value [hidden] for configuration ${key}: ${mechanism} needs ${MODULES[mechanism]}.`,
  );
}

function invalid(configKey: string, message: string, hint?: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    ...(hint === undefined ? {} : { hint }),
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
