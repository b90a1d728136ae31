// Who may log in at REST: what Connect's BasicAuthSecurityRestExtension reads. A file in the notation of Java's login
// configurations names, under `KafkaConnect`, a file of users; our own key names that file directly.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type MillraceError, messageOf, parseProperties, type ResolvedConfig } from '@millrace/foundation';
import { type JaasEntry, JaasError, parseJaasFile } from '@millrace/kafka-protocol';
import { connectError } from '../errors.ts';

/** Key of the worker config, and Java's system property, that name the file with `KafkaConnect { ... };`. */
export const LOGIN_CONFIG = 'java.security.auth.login.config';
/** Ours: the file of users itself, `NAME=PASSWORD` a line. */
export const USERS_FILE = 'rest.basic.auth.users.file';

const ENTRY = 'KafkaConnect';
const MODULE = 'org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule';

/** Users and passwords, compared in a time that tells nothing of them. */
export class Users {
  readonly #key = randomBytes(32);
  readonly #digests = new Map<string, Buffer>();
  readonly #nobody = randomBytes(32);

  constructor(passwords: Iterable<readonly [user: string, password: string]>) {
    for (const [user, password] of passwords) this.#digests.set(user, this.#digest(password));
  }

  get size(): number {
    return this.#digests.size;
  }

  /** Whether an `Authorization` header names a user with his password. */
  allows(authorization: string | undefined): boolean {
    const [, encoded = ''] = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '') ?? [];
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon <= 0) return false;
    const known = this.#digests.get(text.slice(0, colon));
    const same = timingSafeEqual(this.#digest(text.slice(colon + 1)), known ?? this.#nobody);
    return same && known !== undefined;
  }

  #digest(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password).digest();
  }
}

/**
 * Reads the users where the config says.
 * @throws connect.bad_worker_config that names the key; never with a line of a file in it (INV-11)
 */
export function readUsers(
  resolved: ResolvedConfig,
  env: Readonly<Record<string, string | undefined>>,
): Users {
  const own = resolved.optionalString(USERS_FILE);
  if (own) return usersOf(USERS_FILE, own);
  const fromEnv = /(?:^|\s)-Djava\.security\.auth\.login\.config==?("[^"]*"|\S+)/.exec(
    env['KAFKA_OPTS'] ?? '',
  );
  const file = resolved.optionalString(LOGIN_CONFIG) || fromEnv?.[1]?.replaceAll('"', '');
  if (!file) {
    throw bad(
      USERS_FILE,
      'rest.extension.classes asks for logins, and no users are named.',
      `Set ${USERS_FILE} to a file with NAME=PASSWORD a line, or ${LOGIN_CONFIG} (also as -D in KAFKA_OPTS) to a login configuration with an entry ${ENTRY}.`,
    );
  }
  return usersOf(LOGIN_CONFIG, usersFileOf(file));
}

function usersFileOf(file: string): string {
  const modules = loginModules(file);
  const [module] = modules;
  if (modules.length !== 1 || !module || module.loginModule !== MODULE) {
    throw bad(
      LOGIN_CONFIG,
      `${file} has no entry ${ENTRY} with ${MODULE} alone.`,
      `Write: ${ENTRY} { ${MODULE} required file="/path/of/users.properties"; };`,
    );
  }
  const users = module.options.get('file');
  if (!users) {
    throw bad(
      LOGIN_CONFIG,
      `The entry ${ENTRY} of ${file} has no option file="...".`,
      'Name the file of users.',
    );
  }
  return users;
}

function loginModules(file: string): readonly JaasEntry[] {
  try {
    return parseJaasFile(read(LOGIN_CONFIG, file)).get(ENTRY) ?? [];
  } catch (error) {
    if (!(error instanceof JaasError)) throw error;
    throw bad(LOGIN_CONFIG, `${file} is no login configuration: ${error.message}.`, 'Correct the file.');
  }
}

function usersOf(key: string, file: string): Users {
  const users = new Users(Object.entries(parseProperties(read(key, file))));
  // With no users Connect lets everybody in.
  if (users.size === 0) throw bad(key, `${file} has no users.`, 'Write NAME=PASSWORD, one user a line.');
  return users;
}

function read(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw bad(
      key,
      `${file} cannot be read: ${messageOf(error)}.`,
      'Give the path of a file this user may read.',
    );
  }
}

function bad(configKey: string, message: string, hint: string): MillraceError {
  return connectError('connect.bad_worker_config', message, { configKey, hint });
}
