// Redis errors in our terms: which are worth another try, and what to do about the others.
import { defineErrorCodes, type ErrorCodeInfo, MillraceError, messageOf } from '@millrace/foundation';

export type RedisCode =
  | 'redis.unavailable'
  | 'redis.not_replicated'
  | 'redis.out_of_memory'
  | 'redis.auth'
  | 'redis.wrong_type'
  | 'redis.bad_record'
  | 'redis.marker_missing'
  | 'redis.refused';

export const redisErrors: Readonly<Record<RedisCode, ErrorCodeInfo>> = defineErrorCodes<RedisCode>({
  'redis.unavailable': {
    policy: 'retry',
    remedy: 'Check that Redis runs and that redis.url names it; the task goes on by itself when it answers.',
  },
  'redis.not_replicated': { policy: 'retry', remedy: 'Check the replicas, or lower redis.wait.replicas.' },
  'redis.out_of_memory': {
    policy: 'retry',
    remedy:
      'Give Redis more memory, set redis.ttl.seconds, or choose an eviction policy; the task goes on when there is room.',
  },
  'redis.auth': {
    policy: 'needs_operator',
    remedy: 'Correct the user and password in redis.url, or redis.username and redis.password.',
  },
  'redis.wrong_type': {
    policy: 'needs_operator',
    remedy: 'Delete the key, or choose another redis.key.template: the key holds a value of another type.',
  },
  'redis.bad_record': {
    policy: 'needs_operator',
    remedy:
      'Change redis.key.template or redis.mode to fit the records, or set errors.tolerance=all to go on without the record.',
  },
  'redis.marker_missing': {
    policy: 'needs_operator',
    remedy:
      'Set redis.marker.missing=rewind to fill this Redis again from the topics, or continue to go on without.',
  },
  'redis.refused': {
    policy: 'needs_operator',
    remedy: 'Read the message of Redis; the user may lack rights for a command.',
  },
});

/** A record that cannot be written as configured. */
export function badRecord(
  message: string,
  context: { topic: string; partition: number; offset: number },
): MillraceError {
  return new MillraceError(
    'redis.bad_record',
    `${message} (record ${context.topic}-${context.partition}@${context.offset})`,
    {
      javaClass: 'org.apache.kafka.connect.errors.DataException',
      context,
    },
  );
}

/** What ioredis or Redis threw, with a code. */
export function redisError(error: unknown, url: string): MillraceError {
  if (error instanceof MillraceError) return error;
  const message = messageOf(error);
  return new MillraceError(codeOf(message), `Redis at ${url}: ${message}`, { cause: error });
}

function codeOf(message: string): RedisCode {
  if (/^(WRONGPASS|NOAUTH|NOPERM)|AUTH /.test(message)) return 'redis.auth';
  if (message.startsWith('OOM')) return 'redis.out_of_memory';
  if (message.includes('WRONGTYPE')) return 'redis.wrong_type';
  if (message.startsWith('ERR') || message.startsWith('WRONG')) return 'redis.refused';
  // LOADING, READONLY, MASTERDOWN, CLUSTERDOWN, BUSY, closed connections, timeouts.
  return 'redis.unavailable';
}
