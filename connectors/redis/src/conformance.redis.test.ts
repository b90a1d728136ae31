// The Redis sink under the suite that every sink passes.
import { describeSinkConnector, testRedis } from '@millrace/testkit';
import { Redis } from 'ioredis';
import { plugin } from './index.ts';

describeSinkConnector('RedisSink', {
  plugin,
  unusableConfig: { 'redis.url': 'redis://127.0.0.1:1' },
  repeats: 'converge',
  open: async () => {
    // A stream keeps what was written in order; markers and fences are the connector's, so each test has a database.
    const { url, prefix } = testRedis();
    const database = `${url}/12`;
    const redis = new Redis(database);
    await redis.flushdb();
    return {
      config: { 'redis.url': database, 'redis.mode': 'stream', 'redis.key.template': prefix },
      texts: async () => {
        const entries = await redis.xrange(prefix, '-', '+');
        return entries.map(([, fields]) => fields[fields.indexOf('value') + 1] ?? '');
      },
      [Symbol.asyncDispose]: async () => {
        await redis.flushdb();
        redis.disconnect();
      },
    };
  },
});
