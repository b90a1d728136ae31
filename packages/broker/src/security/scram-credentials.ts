// What the broker keeps of the passwords of SCRAM users: durable in the metadata log, and those that the broker's own
// config names, which are made anew at each start. Never a password.
import { randomBytes } from 'node:crypto';
import {
  SCRAM_MECHANISMS,
  SCRAM_MIN_ITERATIONS,
  type ScramCredential,
  type ScramMechanism,
  saltPassword,
  scramCredential,
} from '@millrace/kafka-protocol';
import type { MetadataLog } from '../metadata/metadata-log.ts';
import type { MetadataRecord } from '../metadata/topics.ts';

/** A credential as the metadata log keeps it: bytes in base64; null = removed. */
export interface ScramRecord {
  readonly type: 'scram';
  readonly user: string;
  readonly mechanism: ScramMechanism;
  readonly credential: {
    readonly salt: string;
    readonly storedKey: string;
    readonly serverKey: string;
    readonly iterations: number;
  } | null;
}

/** A credential to store; undefined takes it away. */
export interface ScramChange {
  readonly user: string;
  readonly mechanism: ScramMechanism;
  readonly credential: ScramCredential | undefined;
}

export class ScramCredentials {
  readonly #stored = new Map<string, Map<ScramMechanism, ScramCredential>>();
  readonly #configured = new Map<string, ScramCredential>();

  /** Takes over what the metadata log says. */
  load(records: readonly MetadataRecord[]): void {
    for (const record of records) if (record.type === 'scram') this.#put(changeOf(record));
  }

  /** What the metadata log must keep. */
  records(): MetadataRecord[] {
    return [...this.#stored].flatMap(([user, byMechanism]) =>
      [...byMechanism].map(([mechanism, credential]) => recordOf({ user, mechanism, credential })),
    );
  }

  /** Lets a user of the broker's config log in, as long as no credential is stored under that name. */
  async configure(mechanism: ScramMechanism, user: string, password: string): Promise<void> {
    const salt = randomBytes(SCRAM_MECHANISMS[mechanism].hashBytes);
    const salted = await saltPassword(mechanism, password, salt, SCRAM_MIN_ITERATIONS);
    this.#configured.set(
      `${mechanism} ${user}`,
      scramCredential(mechanism, salted, salt, SCRAM_MIN_ITERATIONS),
    );
  }

  /** What a user proves his password against. */
  find(mechanism: ScramMechanism, user: string): ScramCredential | undefined {
    return this.#stored.get(user)?.get(mechanism) ?? this.#configured.get(`${mechanism} ${user}`);
  }

  /** The stored credentials of a user. */
  stored(user: string): ReadonlyMap<ScramMechanism, ScramCredential> | undefined {
    return this.#stored.get(user);
  }
  /** Users with stored credentials. */
  users(): string[] {
    return [...this.#stored.keys()].sort();
  }

  /** Resolves once the changes are durable. */
  async change(metadata: MetadataLog<MetadataRecord>, changes: readonly ScramChange[]): Promise<void> {
    if (changes.length === 0) return;
    await metadata.append(...changes.map(recordOf));
    for (const change of changes) this.#put(change);
  }

  #put({ user, mechanism, credential }: ScramChange): void {
    const known = this.#stored.get(user) ?? new Map<ScramMechanism, ScramCredential>();
    if (credential) known.set(mechanism, credential);
    else known.delete(mechanism);
    if (known.size > 0) this.#stored.set(user, known);
    else this.#stored.delete(user);
  }
}

function recordOf({ user, mechanism, credential }: ScramChange): ScramRecord {
  if (!credential) return { type: 'scram', user, mechanism, credential: null };
  const { salt, storedKey, serverKey, iterations } = credential;
  return {
    type: 'scram',
    user,
    mechanism,
    credential: {
      salt: salt.toString('base64'),
      storedKey: storedKey.toString('base64'),
      serverKey: serverKey.toString('base64'),
      iterations,
    },
  };
}

function changeOf({ user, mechanism, credential }: ScramRecord): ScramChange {
  if (!credential) return { user, mechanism, credential: undefined };
  return {
    user,
    mechanism,
    credential: {
      salt: Buffer.from(credential.salt, 'base64'),
      storedKey: Buffer.from(credential.storedKey, 'base64'),
      serverKey: Buffer.from(credential.serverKey, 'base64'),
      iterations: credential.iterations,
    },
  };
}
