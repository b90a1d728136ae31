// TLS of a connection: the modes of `database.sslmode`, and files in the forms that configs made for Java have.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { postgresError } from './errors.ts';

export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface TlsSettings {
  readonly sslMode: SslMode;
  readonly sslCert?: string | undefined;
  readonly sslKey?: string | undefined;
  readonly sslKeyPassword?: string | undefined;
  readonly sslRootCert?: string | undefined;
}

/** What to try, in this order; false = without TLS. @throws postgres.tls_failed when a file cannot be read */
export function tlsAttempts(settings: TlsSettings): (TlsOptions | false)[] {
  switch (settings.sslMode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, tlsOptions(settings)];
    case 'prefer':
      return [tlsOptions(settings), false];
    default:
      return [tlsOptions(settings)];
  }
}

function tlsOptions({ sslMode, sslRootCert, sslCert, sslKey, sslKeyPassword }: TlsSettings): TlsOptions {
  const verify = sslMode === 'verify-ca' || sslMode === 'verify-full';
  const root = sslRootCert ?? (verify ? defaultRoot() : undefined);
  return {
    rejectUnauthorized: verify,
    ...(sslMode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(root === undefined ? {} : { ca: parsed(root, 'database.sslrootcert', certificates) }),
    ...(sslCert === undefined ? {} : { cert: parsed(sslCert, 'database.sslcert', certificates) }),
    ...(sslKey === undefined ? {} : keyOptions(sslKey, sslKeyPassword)),
  };
}

/** Where clients of Postgres look; without it the authorities that Node trusts count. */
function defaultRoot(): string | undefined {
  const file = path.join(homedir(), '.postgresql', 'root.crt');
  return existsSync(file) ? file : undefined;
}

function keyOptions(file: string, password: string | undefined): TlsOptions {
  const passphrase = password === undefined ? {} : { passphrase: password };
  if (/\.(p12|pfx)$/i.test(file))
    return { pfx: parsed(file, 'database.sslkey', (bytes) => bytes), ...passphrase };
  return { key: parsed(file, 'database.sslkey', (bytes) => privateKey(bytes, password)), ...passphrase };
}

const isPem = (bytes: Buffer): boolean => bytes.includes('-----BEGIN ');

const certificates = (bytes: Buffer): Buffer | string =>
  isPem(bytes) ? bytes : new X509Certificate(bytes).toString();

/** Java's driver wants keys as PKCS#8 in DER, Node as PEM. */
function privateKey(bytes: Buffer, password: string | undefined): Buffer | string {
  if (isPem(bytes)) return bytes;
  const key = createPrivateKey({
    key: bytes,
    format: 'der',
    type: 'pkcs8',
    ...(password === undefined ? {} : { passphrase: password }),
  });
  return key.export({ type: 'pkcs8', format: 'pem' });
}

function parsed<T>(file: string, configKey: string, parse: (bytes: Buffer) => T): T {
  try {
    return parse(readFileSync(file));
  } catch (cause) {
    throw postgresError('postgres.tls_failed', `Cannot read the file of ${configKey}: ${file}`, {
      cause,
      configKey,
    });
  }
}
