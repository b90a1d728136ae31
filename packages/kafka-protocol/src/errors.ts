// Error codes of this package and the helpers that throw them.
import { defineErrorCodes, MillraceError } from '@millrace/foundation';

type Code = 'kafka.malformed' | 'kafka.unsupported_version' | 'kafka.compression_unavailable';

defineErrorCodes<Code>({
  'kafka.malformed': {
    policy: 'fatal',
    remedy:
      'The peer sent bytes that are no valid Kafka message; check that the address is a Kafka listener.',
  },
  'kafka.unsupported_version': {
    policy: 'fatal',
    remedy: 'The peers have no version of this request in common; upgrade the older one.',
  },
  'kafka.compression_unavailable': {
    policy: 'needs_operator',
    remedy: 'Use another compression.type, or a Node release whose zlib has this codec.',
  },
});

/** Throws a coded error of this package. */
export function fail(code: Code, message: string, context: Record<string, string | number> = {}): never {
  throw new MillraceError(code, message, { context });
}

/** Throws `kafka.malformed` for bytes at `position`. */
export function malformed(what: string, position: number): never {
  return fail('kafka.malformed', `Malformed Kafka bytes at ${position}: ${what}.`, { position });
}
