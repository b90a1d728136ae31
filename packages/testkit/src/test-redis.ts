// Redis for a test: the server of the run, with a key prefix of the test's own.
import { inject } from 'vitest';

let used = 0;

/** The URL of the run's Redis and a prefix nobody else uses. Throws when there is no Redis: a tier without its server fails. */
export function testRedis(): { readonly url: string; readonly prefix: string } {
  const url = inject('redisUrl');
  if (url === '') throw new Error('this test needs Redis: put redis-server on the PATH or set REDIS_URL');
  return { url, prefix: `t${process.pid}_${++used}_${Date.now().toString(36)}` };
}
