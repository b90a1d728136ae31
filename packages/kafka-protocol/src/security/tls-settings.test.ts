import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { tlsSettings } from './tls-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function certificate(name: string): string {
  return fileURLToPath(new URL(`../../../../testdata/certificates/${name}`, import.meta.url));
}

function settingsOf(keys: Record<string, string>): ReturnType<typeof tlsSettings> {
  return tlsSettings((key) => keys[key]);
}

test('PEM texts as properties files have them, on one line, are put into lines again', () => {
  const pem = readFileSync(certificate('server.pem'), 'utf8');
  const flat = pem.replace(/\n/g, ' ');
  const { key, cert } = settingsOf({ 'ssl.keystore.key': flat, 'ssl.keystore.certificate.chain': flat });
  expect(`${String(key)}${String(cert)}`).toBe(pem);
});

test("Java's names of versions and cipher suites are understood", () => {
  const { ciphers, minVersion, maxVersion } = settingsOf({
    'ssl.enabled.protocols': 'TLSv1.3, TLSv1.1, TLSv1.2',
    'ssl.cipher.suites':
      'TLS_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_RSA_WITH_AES_256_CBC_SHA',
  });
  expect([minVersion, maxVersion]).toEqual(['TLSv1.2', 'TLSv1.3']);
  expect(ciphers).toBe(
    'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES256-SHA',
  );
});

test('What cannot be read is refused by key, with the command that converts it', () => {
  const jks = join(folder, 'store.jks');
  writeFileSync(jks, Buffer.from('feedfeed00000002', 'hex'));
  const empty = join(folder, 'empty.pem');
  writeFileSync(empty, 'nothing');
  const cases: [Record<string, string>, string, string][] = [
    [{ 'ssl.keystore.location': jks }, 'ssl.keystore.location', 'keytool -importkeystore'],
    [{ 'ssl.truststore.location': jks }, 'ssl.truststore.location', 'keytool -list -rfc'],
    [{ 'ssl.truststore.location': certificate('server.p12') }, 'ssl.truststore.location', 'openssl pkcs12'],
    [{ 'ssl.truststore.location': empty }, 'ssl.truststore.location', 'authorities'],
    [{ 'ssl.keystore.location': empty }, 'ssl.keystore.location', 'private key'],
    [{ 'ssl.keystore.key': 'x' }, 'ssl.keystore.certificate.chain', 'together'],
    [{ 'ssl.enabled.protocols': 'SSLv3' }, 'ssl.enabled.protocols', 'TLSv1.3'],
  ];
  for (const [keys, configKey, hint] of cases) {
    expect(() => settingsOf(keys), configKey).toThrowError(
      expect.objectContaining({ configKey, hint: expect.stringContaining(hint) }),
    );
  }
});
