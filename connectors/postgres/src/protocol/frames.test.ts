import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from './frames.ts';

function message(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 0);
  header.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([header, body]);
}

function drainAll(reader: FrameReader): string[] {
  const seen: string[] = [];
  reader.drain((type, bytes, start, end) => {
    seen.push(`${String.fromCharCode(type)}:${bytes.toString('hex', start, end)}`);
    return true;
  });
  return seen;
}

describe('FrameReader', () => {
  test('gives the same messages however the bytes are cut into chunks', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }), (list, cuts) => {
        const messages = list.map((body) => message('d', Buffer.from(body)));
        const all = Buffer.concat(messages);
        const reader = new FrameReader();
        const seen: string[] = [];
        for (let at = 0, i = 0; at < all.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          reader.push(Buffer.from(all.subarray(at, at + size)));
          at += size;
          seen.push(...drainAll(reader));
        }
        expect(seen).toEqual(list.map((body) => `d:${Buffer.from(body).toString('hex')}`));
        expect(reader.pending).toBe(0);
      }),
    );
  });

  test('stops when the handler says so and goes on with the next message', () => {
    const reader = new FrameReader();
    reader.push(Buffer.concat([message('a', Buffer.from('1')), message('b', Buffer.from('2'))]));
    const seen: string[] = [];
    const once = (type: number): boolean => {
      seen.push(String.fromCharCode(type));
      return false;
    };
    expect(reader.drain(once)).toBe(false);
    expect(reader.drain(once)).toBe(false);
    expect(reader.drain(once)).toBe(true);
    expect(seen).toEqual(['a', 'b']);
  });

  test('gives what is not handled to another reader, wherever the messages are cut', () => {
    const all = Buffer.concat(['1', '22', '333', ''].map((body) => message('d', Buffer.from(body))));
    for (let first = 0; first <= all.length; first++) {
      for (let second = first; second <= all.length; second++) {
        const reader = new FrameReader();
        let handled = 0;
        const take = (_type: number, _bytes: Buffer, start: number, end: number): boolean => {
          handled += 5 + end - start;
          return handled < 13;
        };
        for (const [from, to] of [
          [0, first],
          [first, second],
          [second, all.length],
        ] as const) {
          reader.push(all.subarray(from, to));
          if (handled < 13) reader.drain(take);
        }
        expect(reader.takeRest()).toEqual(all.subarray(handled));
        expect([handled, reader.pending]).toEqual([13, 0]);
      }
    }
  });

  test('refuses impossible lengths instead of waiting for them (INV-10)', () => {
    for (const length of [0, 3, -1, 0x7fffffff]) {
      const header = Buffer.alloc(16);
      header.write('d', 0);
      header.writeInt32BE(length, 1);
      const reader = new FrameReader();
      reader.push(header);
      expect(() => drainAll(reader)).toThrow(expect.objectContaining({ code: 'postgres.protocol' }));
    }
  });
});
