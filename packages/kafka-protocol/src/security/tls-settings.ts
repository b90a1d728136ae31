// The `ssl.*` keys of Kafka's clients and brokers as settings of Node's TLS: stores in PEM (inline or in files) and key
// stores in PKCS12. What Node cannot read is refused with the command that converts it.
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { MillraceError, messageOf } from '@millrace/foundation';

/** Looks a key up; undefined when it is not set. */
export type SettingReader = (key: string) => string | undefined;

type StoreFormat = 'PEM' | 'PKCS12' | 'JKS';

const VERSIONS: readonly string[] = ['TLSv1.2', 'TLSv1.3'];
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;

/**
 * Settings of a TLS context: own certificate and key, certificates trusted, versions, ciphers.
 *
 * @throws config.invalid that names the key and what to do
 */
export function tlsSettings(read: SettingReader): SecureContextOptions {
  const settings: SecureContextOptions = {
    ...keyStore(read),
    ...trustStore(read),
    ...versions(read),
    ...ciphers(read),
  };
  try {
    createSecureContext(settings);
  } catch (error) {
    const key = read('ssl.keystore.location') === undefined ? 'ssl.keystore.key' : 'ssl.keystore.location';
    throw invalid(
      key,
      `The TLS keys and certificates cannot be used: ${messageOf(error)}.`,
      'Check that key and certificate belong together and that ssl.keystore.password or ssl.key.password is right; ' +
        'a PKCS12 file with an old cipher is written anew by `openssl pkcs12 -legacy -in old.p12 -nodes | openssl pkcs12 -export -out new.p12`.',
    );
  }
  return settings;
}

/** Whether the settings name a certificate of one's own. */
export function hasKeyStore(read: SettingReader): boolean {
  return given(read, 'ssl.keystore.location') !== undefined || given(read, 'ssl.keystore.key') !== undefined;
}

function keyStore(read: SettingReader): SecureContextOptions {
  const keyPassword = given(read, 'ssl.key.password');
  const inlineKey = given(read, 'ssl.keystore.key');
  const inlineChain = given(read, 'ssl.keystore.certificate.chain');
  if (inlineKey !== undefined || inlineChain !== undefined) {
    if (inlineKey === undefined || inlineChain === undefined) {
      const missing = inlineKey === undefined ? 'ssl.keystore.key' : 'ssl.keystore.certificate.chain';
      throw invalid(missing, `${missing} is missing.`, 'Give the key and its certificate chain together.');
    }
    return pemKeyPair('ssl.keystore.key', { key: inlineKey, chain: inlineChain }, keyPassword);
  }
  const store = openStore(read, 'keystore');
  if (!store) return {};
  if (store.format === 'PEM') {
    const text = store.bytes.toString('utf8');
    return pemKeyPair('ssl.keystore.location', { key: text, chain: text }, keyPassword);
  }
  const passphrase = given(read, 'ssl.keystore.password');
  return { pfx: store.bytes, ...(passphrase === undefined ? {} : { passphrase }) };
}

function pemKeyPair(
  key: string,
  texts: { readonly key: string; readonly chain: string },
  passphrase: string | undefined,
): SecureContextOptions {
  const privateKey = pemBlocks(texts.key).find(({ label }) => label.endsWith('PRIVATE KEY'));
  const chain = pemBlocks(texts.chain).filter(({ label }) => label === 'CERTIFICATE');
  if (!privateKey || chain.length === 0) {
    const missing = privateKey ? 'certificate' : 'private key';
    throw invalid(
      key,
      `${key} has no ${missing} in PEM.`,
      'A PEM key store holds the private key and the certificate chain.',
    );
  }
  return {
    key: privateKey.pem,
    cert: chain.map(({ pem }) => pem).join('\n'),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

function trustStore(read: SettingReader): SecureContextOptions {
  const inline = given(read, 'ssl.truststore.certificates');
  const store = inline === undefined ? openStore(read, 'truststore') : undefined;
  if (inline === undefined && !store) return {};
  if (store && store.format !== 'PEM') {
    throw invalid(
      'ssl.truststore.location',
      `The trust store ${store.path} is a ${store.format} file, which cannot be read here.`,
      store.format === 'JKS'
        ? `Convert it: keytool -list -rfc -keystore ${store.path} > trusted.pem`
        : `Convert it: openssl pkcs12 -in ${store.path} -nokeys -out trusted.pem`,
    );
  }
  const text = inline ?? store?.bytes.toString('utf8') ?? '';
  const certificates = pemBlocks(text).filter(({ label }) => label.endsWith('CERTIFICATE'));
  if (certificates.length === 0) {
    const key = inline === undefined ? 'ssl.truststore.location' : 'ssl.truststore.certificates';
    throw invalid(
      key,
      `${key} has no certificate in PEM.`,
      'Give the certificates of the authorities to trust.',
    );
  }
  return { ca: certificates.map(({ pem }) => pem) };
}

/** Opens the file of a store and finds out what it is; the type that is named only decides what an error says. */
function openStore(
  read: SettingReader,
  kind: 'keystore' | 'truststore',
): { readonly path: string; readonly format: StoreFormat; readonly bytes: Buffer } | undefined {
  const key = `ssl.${kind}.location`;
  const path = given(read, key);
  if (path === undefined) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw invalid(
      key,
      `${key} cannot be read: ${messageOf(error)}.`,
      'Give the path of a file this user may read.',
    );
  }
  const format = formatOf(bytes);
  if (format === 'JKS' && kind === 'keystore') {
    throw invalid(
      key,
      `The key store ${path} is a JKS file, which cannot be read here.`,
      `Convert it: keytool -importkeystore -srckeystore ${path} -destkeystore keystore.p12 -deststoretype PKCS12`,
    );
  }
  return { path, format, bytes };
}

/** JKS files begin with a magic number, PKCS12 files are a DER sequence; everything else is taken for text. */
function formatOf(bytes: Buffer): StoreFormat {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === 0xfe_ed_fe_ed) return 'JKS';
  return bytes[0] === 0x30 && !bytes.includes('-----BEGIN') ? 'PKCS12' : 'PEM';
}

/** The blocks of a PEM text with their line breaks put right: those of properties files often come without. */
function pemBlocks(text: string): { readonly label: string; readonly pem: string }[] {
  return [...text.matchAll(PEM_BLOCK)].map(([whole, label = '', body = '']) => {
    // Keys encrypted in the old way have headers, which only make sense line by line.
    if (body.includes('Proc-Type:')) return { label, pem: whole };
    const lines = body.replace(/\s+/g, '').match(/.{1,64}/g) ?? [];
    return { label, pem: `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n` };
  });
}

function versions(read: SettingReader): SecureContextOptions {
  const text = given(read, 'ssl.enabled.protocols');
  if (text === undefined) return {};
  const known = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => VERSIONS.includes(name))
    .sort();
  if (known.length === 0) {
    throw invalid(
      'ssl.enabled.protocols',
      `Invalid value ${text} for configuration ssl.enabled.protocols: nothing of it is supported.`,
      `Name ${VERSIONS.join(' or ')}.`,
    );
  }
  type Version = NonNullable<SecureContextOptions['minVersion']>;
  return { minVersion: known[0] as Version, maxVersion: known.at(-1) as Version };
}

function ciphers(read: SettingReader): SecureContextOptions {
  const text = given(read, 'ssl.cipher.suites');
  return text === undefined
    ? {}
    : {
        ciphers: text
          .split(/\s*,\s*/)
          .map(openSslCipher)
          .join(':'),
      };
}

/** Java's name of a cipher suite in OpenSSL's words; those of TLS 1.3 are the same. */
function openSslCipher(name: string): string {
  const [, exchange, cipher] = /^TLS_(.+)_WITH_(.+)$/.exec(name) ?? [];
  if (exchange === undefined || cipher === undefined) return name;
  const mode = cipher
    .replace(/AES_(\d+)/, 'AES$1')
    .replace('_CBC', '')
    .replace(/(POLY1305)_SHA256$/, '$1');
  return `${exchange === 'RSA' ? '' : `${exchange}_`}${mode}`.replaceAll('_', '-');
}

function given(read: SettingReader, key: string): string | undefined {
  const text = read(key)?.trim();
  return text === '' ? undefined : text;
}

function invalid(configKey: string, message: string, hint: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    hint,
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
