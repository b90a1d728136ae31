// Where and how REST is served: listeners with their TLS, the address that other workers are told, cross-origin
// requests, headers of all answers, users. Keys and words are Connect's (KIP-208, KIP-310, KIP-577).
import { isIP } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { javaRegexProblem, MillraceError, type RawConfig, type ResolvedConfig } from '@millrace/foundation';
import { hasKeyStore, type SettingReader, tlsSettings } from '@millrace/kafka-protocol';
import { connectError } from '../errors.ts';
import { type HeaderRule, headerRules } from '../rest/response-headers.ts';
import { readUsers, type Users } from './rest-users.ts';
import type { WorkerConfig } from './worker-config.ts';

export interface RestListener {
  readonly protocol: 'http' | 'https';
  /** Empty = every address. */
  readonly host: string;
  /** 0 = a free one. */
  readonly port: number;
}

/** TLS of listeners. */
export interface RestTls {
  readonly context: SecureContextOptions;
  readonly clientAuth: 'none' | 'requested' | 'required';
}

/** How this worker speaks to others over HTTPS. */
export interface RestClientTls {
  readonly context: SecureContextOptions;
  /** Whether the name in the certificate has to be the host's. */
  readonly checkHost: boolean;
}

export interface RestConfig {
  readonly listeners: readonly RestListener[];
  /** null = the administrative endpoints are on `listeners`; none = they are nowhere. */
  readonly adminListeners: readonly RestListener[] | null;
  readonly tls: RestTls | null;
  readonly adminTls: RestTls | null;
  readonly clientTls: RestClientTls | null;
  /** What other workers are told; absent parts are those of the listener. */
  readonly advertised: {
    readonly protocol: 'http' | 'https';
    readonly host: string | undefined;
    readonly port: number | undefined;
  };
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly headers: readonly HeaderRule[];
  /** null = nobody has to log in. */
  readonly users: Users | null;
}

const LISTENER = /^(.*):\/\/\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$/;
const BASIC_AUTH = 'org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension';
const HTTPS_PREFIX = 'listeners.https.';
const ADMIN_HTTPS_PREFIX = 'admin.listeners.https.';
/** What browsers may do without being allowed more. */
const DEFAULT_METHODS: readonly string[] = ['HEAD', 'POST', 'GET'];

/** @throws connect.bad_worker_config, config.invalid that name the key */
export function restConfig(
  { resolved, raw }: WorkerConfig,
  env: Readonly<Record<string, string | undefined>> = {},
): RestConfig {
  const listeners = mainListeners(resolved, raw);
  const admin = raw['admin.listeners'] === undefined ? null : resolved.list('admin.listeners');
  const adminListeners = admin === null ? null : admin.map((text) => parseListener('admin.listeners', text));
  const methods = resolved.string('access.control.allow.methods');
  return {
    listeners,
    adminListeners,
    tls: usesHttps(listeners) ? listenerTls(raw, HTTPS_PREFIX) : null,
    adminTls: adminListeners && usesHttps(adminListeners) ? listenerTls(raw, ADMIN_HTTPS_PREFIX) : null,
    clientTls: clientTls(raw),
    advertised: {
      protocol: advertisedProtocol(resolved, listeners),
      host: resolved.optionalString('rest.advertised.host.name') || undefined,
      port: resolved.optionalInt('rest.advertised.port'),
    },
    allowOrigins: origins(resolved.string('access.control.allow.origin')),
    allowMethods: methods.trim() === '' ? DEFAULT_METHODS : parts(methods),
    headers: headerRules(resolved.string('response.http.headers.config')),
    users: wantsLogin(resolved) ? readUsers(resolved, env) : null,
  };
}

function parts(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function origins(text: string): string[] {
  const found = parts(text);
  for (const entry of found) {
    const problem = entry === '*' ? undefined : javaRegexProblem(entry);
    if (problem !== undefined) {
      throw bad(
        'access.control.allow.origin',
        `Invalid value ${entry} for configuration access.control.allow.origin: ${problem}`,
      );
    }
  }
  return found;
}

function mainListeners(resolved: ResolvedConfig, raw: RawConfig): RestListener[] {
  const oldPort = resolved.optionalInt('rest.port');
  const oldHost = resolved.optionalString('rest.host.name');
  if (raw['listeners'] === undefined && (oldPort !== undefined || oldHost !== undefined)) {
    return [{ protocol: 'http', host: oldHost ?? '127.0.0.1', port: oldPort ?? 8083 }];
  }
  const texts = resolved.list('listeners');
  if (texts.length === 0) {
    throw bad(
      'listeners',
      'Invalid value for listeners, at least one URL is expected, ex: http://localhost:8080,https://localhost:8443.',
    );
  }
  return texts.map((text) => parseListener('listeners', text));
}

/** `http://HOST:PORT` or `https://HOST:PORT`; IPv6 addresses in brackets; no host is every address. */
function parseListener(key: string, text: string): RestListener {
  const [, scheme = '', host = '', port = ''] = LISTENER.exec(text.trim()) ?? [];
  const protocol = scheme.toLowerCase();
  const number = Number(port);
  if (scheme === '' || number < 0 || number > 65_535) {
    throw bad(
      key,
      `Invalid value ${text} for configuration ${key}: Listener doesn't have the right format (protocol://hostname:port).`,
    );
  }
  if (protocol !== 'http' && protocol !== 'https') {
    throw bad(
      key,
      `Invalid value ${text} for configuration ${key}: Listener protocol must be either "http" or "https".`,
    );
  }
  return { protocol, host, port: number };
}

function usesHttps(listeners: readonly RestListener[]): boolean {
  return listeners.some(({ protocol }) => protocol === 'https');
}

function advertisedProtocol(resolved: ResolvedConfig, listeners: readonly RestListener[]): 'http' | 'https' {
  const asked = resolved.optionalString('rest.advertised.listener')?.toLowerCase() ?? '';
  if (asked === '') return listeners.some(({ protocol }) => protocol === 'http') ? 'http' : 'https';
  if (asked !== 'http' && asked !== 'https') {
    throw bad(
      'rest.advertised.listener',
      `Invalid value ${asked} for configuration rest.advertised.listener: String must be one of: http, https`,
    );
  }
  return asked;
}

/** The `ssl.*` keys below a prefix; the ones without it only where there are none with it, as in Connect. */
function sslKeys(raw: RawConfig, prefix: string): { readonly read: SettingReader; readonly prefix: string } {
  const hasOwn = Object.keys(raw).some((key) => key.startsWith(`${prefix}ssl.`));
  const used = hasOwn ? prefix : '';
  return { read: (key) => raw[used + key] ?? undefined, prefix: used };
}

function listenerTls(raw: RawConfig, wanted: string): RestTls {
  const { read, prefix } = sslKeys(raw, wanted);
  if (!hasKeyStore(read)) {
    throw bad(
      `${wanted}ssl.keystore.location`,
      `An https listener needs a certificate, and ${wanted}ssl.keystore.location is not set.`,
      `Set ${wanted}ssl.keystore.location to a PEM or PKCS12 file, or ${wanted}ssl.keystore.key and ${wanted}ssl.keystore.certificate.chain to PEM texts.`,
    );
  }
  const clientAuth = read('ssl.client.auth')?.trim() || 'none';
  if (clientAuth !== 'none' && clientAuth !== 'requested' && clientAuth !== 'required') {
    throw bad(
      `${prefix}ssl.client.auth`,
      `Invalid value ${clientAuth} for configuration ${prefix}ssl.client.auth: String must be one of: required, requested, none`,
    );
  }
  return { context: named(prefix, () => tlsSettings(read)), clientAuth };
}

/** Absent where no key says anything of TLS: then the authorities that Node knows are trusted. */
function clientTls(raw: RawConfig): RestClientTls | null {
  const { read, prefix } = sslKeys(raw, HTTPS_PREFIX);
  if (!Object.keys(raw).some((key) => key.startsWith(`${prefix}ssl.`))) return null;
  const algorithm = read('ssl.endpoint.identification.algorithm')?.trim().toLowerCase() ?? 'https';
  return { context: named(prefix, () => tlsSettings(read)), checkHost: algorithm !== '' };
}

/** Errors name keys as they stand in the file. */
function named<T>(prefix: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MillraceError) || prefix === '') throw error;
    const { configKey, hint, message, javaClass } = error;
    throw new MillraceError('config.invalid', `${message} (${prefix}${configKey ?? 'ssl.*'})`, {
      ...(configKey === undefined ? {} : { configKey: `${prefix}${configKey}` }),
      ...(hint === undefined ? {} : { hint }),
      javaClass,
    });
  }
}

function wantsLogin(resolved: ResolvedConfig): boolean {
  const classes = resolved.list('rest.extension.classes').filter((name) => name !== '');
  const unknown = classes.filter((name) => name !== BASIC_AUTH);
  if (unknown.length > 0) {
    throw bad(
      'rest.extension.classes',
      `rest.extension.classes names ${unknown.join(', ')}, a Java class, which cannot run here.`,
      `The one extension there is: ${BASIC_AUTH}. Take the others out.`,
    );
  }
  return classes.length > 0;
}

/** The host of a listener in an URL: what listens on every address is reached as localhost. */
export function urlHost(host: string): string {
  return host === '' || host === '0.0.0.0' || host === '::' ? 'localhost' : bracketed(host);
}

/** The config with its one listener where `rest` says, if it does. */
export function withListener(
  properties: RawConfig,
  rest: { readonly host: string; readonly port: number } | undefined,
): RawConfig {
  if (rest === undefined) return properties;
  return { ...properties, listeners: `http://${bracketed(rest.host)}:${rest.port}` };
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function bad(configKey: string, message: string, hint?: string): MillraceError {
  return connectError('connect.bad_worker_config', message, {
    configKey,
    ...(hint === undefined ? {} : { hint }),
  });
}
