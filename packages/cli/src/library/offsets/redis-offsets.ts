// Offsets in a hash of Redis. As durable as that Redis: see the guide for what its settings mean here.
import { messageOf } from '@millrace/foundation';
import type { Redis } from 'ioredis';
import { libraryError } from '../errors.ts';
import type { SourceOffsets } from './source-offsets.ts';

export interface RedisOffsetsOptions {
  /** Such as `redis://:password@127.0.0.1:6379/0`, or `rediss://` for TLS. */
  readonly url: string;
  /** Key of the hash; `millrace:offsets` by default. */
  readonly key?: string;
  /** How many replicas have to have it before it counts as saved (WAIT); none by default. */
  readonly replicas?: number;
}

const TIMEOUT_MS = 10_000;

/**
 * Keeps offsets in a hash, one field an offset.
 *
 * @throws library.offsets when Redis cannot be reached, refuses, or too few replicas answer
 */
export function redisOffsets({
  url,
  key = 'millrace:offsets',
  replicas = 0,
}: RedisOffsetsOptions): SourceOffsets {
  let client: Redis | undefined;

  async function asked<T>(what: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      client ??= await connect(url);
      return await ask(client);
    } catch (cause) {
      throw libraryError('library.offsets', `Offsets cannot be ${what} Redis: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  return {
    load: () => asked('read from', async (redis) => new Map(Object.entries(await redis.hgetall(key)))),
    save: (changes) =>
      asked('saved in', async (redis) => {
        await redis.hset(key, Object.fromEntries(changes));
        if (replicas === 0) return;
        const have = await redis.wait(replicas, TIMEOUT_MS);
        if (have < replicas)
          throw new Error(`${have} of ${replicas} replicas have answered in ${TIMEOUT_MS} ms`);
      }),
    async close() {
      client?.disconnect();
      await Promise.resolve();
    },
  };
}

async function connect(url: string): Promise<Redis> {
  const { Redis: Client } = await import('ioredis');
  const client = new Client(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: 2 * TIMEOUT_MS,
    maxRetriesPerRequest: 1,
  });
  // What it asks fails with the reason; without a listener it would be written to the console as well.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
