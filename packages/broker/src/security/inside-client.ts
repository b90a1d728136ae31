// How a program beside the broker, such as the worker of `millrace start`, reaches it: as Kafka's brokers reach one
// another, over `inter.broker.listener.name` with the user and password of that listener's own login configuration.
import type { BrokerConfig } from '../metadata/broker-config.ts';
import type { ListenerConfig } from '../server-properties.ts';
import { type OwnLogin, ownLogins } from './listener-security.ts';

/** Settings of a Kafka client, in the keys of Kafka's clients. Some are secrets. */
export type ClientProperties = Readonly<Record<string, string>>;

/** A listener with the address its clients are told. */
export interface OpenListener extends ListenerConfig {
  readonly told: { readonly host: string; readonly port: number };
}

const MODULES = {
  plain: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  scram: 'org.apache.kafka.common.security.scram.ScramLoginModule',
} as const;

/** What a client in the same process needs. */
export function insideClient(config: BrokerConfig, listeners: readonly OpenListener[]): ClientProperties {
  const listener = chosenListener(config, listeners);
  if (!listener) return {};
  const { name, protocol, told } = listener;
  const host = told.host.includes(':') ? `[${told.host}]` : told.host;
  return {
    'bootstrap.servers': `${host}:${told.port}`,
    ...(protocol === 'PLAINTEXT' ? {} : { 'security.protocol': protocol }),
    ...(protocol === 'SSL' || protocol === 'SASL_SSL' ? trust(config, name) : {}),
    ...(protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL' ? login(config, name) : {}),
  };
}

/** The one that is named, else the first without a lock on it, else the first. */
function chosenListener(config: BrokerConfig, listeners: readonly OpenListener[]): OpenListener | undefined {
  const named = config.given('inter.broker.listener.name')?.toUpperCase();
  const protocol = config.given('security.inter.broker.protocol')?.toUpperCase() ?? 'PLAINTEXT';
  return (
    listeners.find(({ name }) => name === named) ??
    listeners.find((listener) => listener.protocol === protocol) ??
    listeners[0]
  );
}

/** Trusts what the broker trusts, else the broker's own certificate; shows the broker's certificate as its own. */
function trust(config: BrokerConfig, listener: string): ClientProperties {
  const read = config.forListener(listener);
  const settings: Record<string, string> = {};
  for (const key of [
    'ssl.truststore.location',
    'ssl.truststore.certificates',
    'ssl.truststore.type',
    'ssl.truststore.password',
    'ssl.keystore.location',
    'ssl.keystore.certificate.chain',
    'ssl.keystore.key',
    'ssl.keystore.type',
    'ssl.keystore.password',
    'ssl.key.password',
  ]) {
    const value = read(key);
    if (value !== undefined && value !== '') settings[key] = value;
  }
  // Read as they are: an empty value turns the check of host names off.
  const identification = read('ssl.endpoint.identification.algorithm');
  if (identification !== undefined) settings['ssl.endpoint.identification.algorithm'] = identification;
  return settings;
}

function login(config: BrokerConfig, listener: string): ClientProperties {
  const wanted = config.given('sasl.mechanism.inter.broker.protocol')?.toUpperCase();
  const logins = ownLogins(config, listener);
  const found = logins.find(({ mechanism }) => mechanism === wanted) ?? logins[0];
  return found ? { 'sasl.mechanism': found.mechanism, 'sasl.jaas.config': jaas(found) } : {};
}

function jaas({ mechanism, username, password }: OwnLogin): string {
  const module = mechanism === 'PLAIN' ? MODULES.plain : MODULES.scram;
  return `${module} required username=${quoted(username)} password=${quoted(password)};`;
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}
