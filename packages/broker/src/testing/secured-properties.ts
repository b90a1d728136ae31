// Broker settings of tests about security: the listeners the recordings of a secured Kafka were made with, and the
// certificates of testdata/certificates.
import { fileURLToPath } from 'node:url';

/** The path of a file of testdata/certificates. */
export function certificate(name: string): string {
  return fileURLToPath(new URL(`../../../../testdata/certificates/${name}`, import.meta.url));
}

export const STANDARD_AUTHORIZER = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer';
export const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule';
export const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule';

const USERS = 'user_admin="admin-secret" user_alice="alice-secret" user_bob="bob-secret"';

/** One plain listener, one with SASL and one with TLS on free ports; an authorizer, and who is above it. */
export const SECURED: Record<string, string> = {
  listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_SSL://127.0.0.1:0',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${PLAIN_MODULE} required ${USERS};`,
  'listener.name.sasl_ssl.plain.sasl.jaas.config': `${PLAIN_MODULE} required ${USERS};`,
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.location': certificate('server.pem'),
  'authorizer.class.name': STANDARD_AUTHORIZER,
  'super.users': 'User:ANONYMOUS;User:admin',
};
