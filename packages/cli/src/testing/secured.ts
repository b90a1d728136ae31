// Settings of secured brokers and their clients for tests; certificates of testdata/certificates.
import { fileURLToPath } from 'node:url';

/** The path of a file of testdata/certificates. */
export function certificate(name: string): string {
  return fileURLToPath(new URL(`../../../../testdata/certificates/${name}`, import.meta.url));
}

const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule';

export type Mechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** A login configuration, of a client or of the broker's own user. */
export function jaas(mechanism: Mechanism, username: string, password: string, more: string = ''): string {
  return `${mechanism === 'PLAIN' ? PLAIN : SCRAM} required username="${username}" password="${password}"${more};`;
}

/** A client's keys for a login. */
export function saslClient(
  protocol: 'SASL_PLAINTEXT' | 'SASL_SSL',
  mechanism: Mechanism,
  password: string = 'admin-secret',
): Record<string, string> {
  return {
    'security.protocol': protocol,
    'sasl.mechanism': mechanism,
    'sasl.jaas.config': jaas(mechanism, 'admin', password),
    ...(protocol === 'SASL_SSL' ? { 'ssl.truststore.location': certificate('ca.pem') } : {}),
  };
}

/** A broker whose every listener wants to know who is there, with one super user `admin` of every mechanism. */
export function securedBroker(listeners: string): Record<string, string> {
  const names = [...listeners.matchAll(/(SASL_\w+):/g)].map(([, name = '']) => name.toLowerCase());
  const logins = names.flatMap((name) => [
    [
      `listener.name.${name}.plain.sasl.jaas.config`,
      jaas('PLAIN', 'admin', 'admin-secret', ' user_admin="admin-secret" user_alice="alice-secret"'),
    ],
    ...(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism) => [
      `listener.name.${name}.${mechanism.toLowerCase()}.sasl.jaas.config`,
      jaas(mechanism, 'admin', 'admin-secret'),
    ]),
  ]);
  return {
    listeners,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    ...Object.fromEntries(logins),
    'ssl.keystore.location': certificate('server.pem'),
    'ssl.truststore.location': certificate('ca.pem'),
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:admin',
  };
}
