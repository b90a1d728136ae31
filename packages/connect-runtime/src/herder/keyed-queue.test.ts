import { describe, expect, it } from 'vitest';
import { KeyedQueue } from './keyed-queue.ts';

describe('KeyedQueue', () => {
  it('runs jobs of one key in order, after failed ones too, and other keys meanwhile', async () => {
    const queue = new KeyedQueue();
    const seen: string[] = [];
    let release = (): void => undefined;
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = queue.run('a', async () => {
      await blocked;
      seen.push('a1');
      throw new Error('failed');
    });
    const second = queue.run('a', () => seen.push('a2'));
    await queue.run('b', () => seen.push('b1'));
    release();
    await expect(first).rejects.toThrow('failed');
    await second;
    expect(seen).toEqual(['b1', 'a1', 'a2']);
    await queue.idle();
  });
});
