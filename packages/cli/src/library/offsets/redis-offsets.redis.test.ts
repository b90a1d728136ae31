import { freePort } from '@millrace/local-servers';
import { testRedis } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { describeOffsets } from '../../testing/offsets-conformance.ts';
import { redisOffsets } from './redis-offsets.ts';

describeOffsets('Redis', () => {
  const { url, prefix } = testRedis();
  return () => redisOffsets({ url, key: `${prefix}:offsets` });
});

test('INV-1: a save that replicas do not confirm is none', { timeout: 30_000 }, async () => {
  const { url, prefix } = testRedis();
  const offsets = redisOffsets({ url, key: `${prefix}:offsets`, replicas: 1 });
  await expect(offsets.save(new Map([['a', '1']]))).rejects.toMatchObject({
    code: 'library.offsets',
    message: expect.stringContaining('0 of 1 replicas') as string,
  });
  await offsets.close?.();
});

test('INV-11: a Redis that cannot be reached is told without its password', async () => {
  const offsets = redisOffsets({ url: `redis://:secret@127.0.0.1:${await freePort()}` });
  const failure = await offsets.load().catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({ code: 'library.offsets' });
  expect(String(failure)).not.toContain('secret');
  await offsets.close?.();
});
