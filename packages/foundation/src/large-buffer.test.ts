import { expect, it } from 'vitest';
import { largeBuffer } from './large-buffer.ts';

const MB = 1024 * 1024;

it('has the length that is asked for, in memory that glibc gives back', () => {
  const sizes = [0, 1, 100, MB, 4 * MB, 16 * MB + 7, 40 * MB].map((length) => {
    const buffer = largeBuffer(length);
    expect(buffer).toHaveLength(length);
    return buffer.buffer.byteLength;
  });
  expect(sizes.slice(3)).toEqual([MB, 33 * MB, 33 * MB, 40 * MB]);
});
