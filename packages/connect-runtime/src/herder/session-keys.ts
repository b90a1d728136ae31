// Signatures of what workers ask of each other (KIP-507): the leader makes a key, the config topic hands it out, and who
// may read that topic may sign.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock, Logger } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { ConfigStore } from '../stores/config-store.ts';

export const SIGNATURE_HEADER = 'x-connect-authorization';
export const ALGORITHM_HEADER = 'x-connect-request-signature-algorithm';

/** Java's names of algorithms: Node's name of the hash, and the bytes of a key where no size is set. */
const ALGORITHMS: Readonly<Record<string, { readonly hash: string; readonly keyBytes: number }>> = {
  HmacSHA1: { hash: 'sha1', keyBytes: 64 },
  HmacSHA256: { hash: 'sha256', keyBytes: 32 },
  HmacSHA384: { hash: 'sha384', keyBytes: 48 },
  HmacSHA512: { hash: 'sha512', keyBytes: 64 },
};
/** Names that `inter.worker.*algorithm*` takes. */
export const SIGNATURE_ALGORITHMS: readonly string[] = Object.keys(ALGORITHMS);

export interface SessionKeySettings {
  readonly keyAlgorithm: string;
  /** Bits; null = what the algorithm has. */
  readonly keySize: number | null;
  readonly keyTtlMs: number;
  readonly signatureAlgorithm: string;
  readonly verificationAlgorithms: readonly string[];
}

export interface SessionKeysOptions extends SessionKeySettings {
  readonly configs: ConfigStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Headers = Readonly<Record<string, string | undefined>>;

export class SessionKeys {
  readonly #options: SessionKeysOptions;
  #rotation: AbortController | null = null;

  constructor(options: SessionKeysOptions) {
    this.#options = options;
  }

  /** As leader: sees to it that there is a key that is fresh, from now until `stop`. */
  lead(): void {
    this.stop();
    const rotation = new AbortController();
    this.#rotation = rotation;
    void this.#rotate(rotation.signal);
  }

  stop(): void {
    this.#rotation?.abort();
    this.#rotation = null;
  }

  async #rotate(signal: AbortSignal): Promise<void> {
    const { configs, clock, logger, keyAlgorithm, keyTtlMs } = this.#options;
    while (!signal.aborted) {
      const known = configs.state.sessionKey;
      const fits = known?.algorithm === keyAlgorithm && known.key.length === this.#keyBytes;
      const leftMs = known && fits ? known.createdMs + keyTtlMs - clock.nowMs() : 0;
      if (leftMs <= 0) {
        try {
          await configs.putSessionKey({
            key: randomBytes(this.#keyBytes),
            algorithm: keyAlgorithm,
            createdMs: clock.nowMs(),
          });
        } catch (error) {
          // What closes takes its log with it.
          if (signal.aborted) return;
          logger.warn({ err: error }, 'a new session key could not be handed out; trying again');
          await clock.sleep(1000, signal);
        }
      } else await clock.sleep(Math.min(leftMs, MAX_SLEEP_MS), signal);
    }
  }

  get #keyBytes(): number {
    const { keySize, keyAlgorithm } = this.#options;
    return keySize === null ? (ALGORITHMS[keyAlgorithm]?.keyBytes ?? 32) : keySize >> 3;
  }

  /** Headers that sign a body. @throws connect.rebalance while there is no key yet */
  sign(body: string): Record<string, string> {
    const { configs, signatureAlgorithm } = this.#options;
    const known = configs.state.sessionKey;
    if (!known)
      throw connectError('connect.rebalance', 'There is no session key yet to sign the request with');
    return {
      [SIGNATURE_HEADER]: signatureOf(body, known.key, signatureAlgorithm).toString('base64'),
      [ALGORITHM_HEADER]: signatureAlgorithm,
    };
  }

  /** @throws connect.bad_request, connect.starting, connect.forbidden with Connect's texts */
  verify(body: string, headers: Headers): void {
    const { configs, verificationAlgorithms } = this.#options;
    const given = headers[SIGNATURE_HEADER];
    const algorithm = headers[ALGORITHM_HEADER];
    if (given === undefined || algorithm === undefined) {
      throw connectError('connect.bad_request', 'Internal request missing required signature');
    }
    if (!verificationAlgorithms.includes(algorithm)) {
      throw connectError(
        'connect.bad_request',
        `This worker does not support the '${algorithm}' key signing algorithm used by other workers. This worker is currently configured to use: [${verificationAlgorithms.join(', ')}]. Check that all workers' configuration files permit the same set of signature algorithms, and correct any misconfigured worker and restart it.`,
      );
    }
    const known = configs.state.sessionKey;
    if (!known) {
      throw connectError(
        'connect.starting',
        'This worker is still starting up and has not been able to read a session key from the config topic yet',
      );
    }
    const expected = signatureOf(body, known.key, algorithm);
    const actual = Buffer.from(given, 'base64');
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
      throw connectError('connect.forbidden', 'Internal request contained invalid signature.');
    }
  }
}

/** Timers of Node hold 24 days. */
const MAX_SLEEP_MS = 24 * 3_600_000;

function signatureOf(body: string, key: Buffer, algorithm: string): Buffer {
  return createHmac(ALGORITHMS[algorithm]?.hash ?? 'sha256', key)
    .update(body)
    .digest();
}
