import { expect, test } from 'vitest';
import { FrameReader } from './frame-reader.ts';

class BadFrame extends Error {}

function readerOf(minBytes: number, maxBytes: number): FrameReader {
  return new FrameReader({ minBytes, maxBytes, refuse: (length) => new BadFrame(`${length} bytes`) });
}

function frame(text: string): Buffer {
  const bytes = Buffer.from(`....${text}`);
  bytes.writeInt32BE(text.length, 0);
  return bytes;
}

test('Frames come out whole, however the stream is cut', () => {
  const texts = ['first', '', 'x'.repeat(300), 'last'];
  const stream = Buffer.concat(texts.map(frame));
  for (let size = 1; size <= stream.length; size++) {
    const reader = readerOf(0, 1000);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      reader.push(stream.subarray(at, at + size), (bytes) => found.push(bytes.toString()));
    }
    expect(found).toEqual(texts);
  }
});

test('Frames of a stream whose chunks are used again keep their bytes', () => {
  const reader = new FrameReader({ minBytes: 0, maxBytes: 100, lent: true, refuse: () => new BadFrame() });
  const memory = Buffer.alloc(64);
  const stream = Buffer.concat(['whole', 'cut in two', 'last'].map(frame));
  const seen: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 15) {
    const count = stream.copy(memory, 0, at, at + 15);
    reader.push(memory.subarray(0, count), (bytes) => seen.push(bytes));
  }
  memory.fill(0);
  expect(seen.map(String)).toEqual(['whole', 'cut in two', 'last']);
});

test('The rest of a long frame can be read to where it belongs', () => {
  const reader = readerOf(0, 1000);
  const texts = ['x'.repeat(500), 'short', 'y'.repeat(700)];
  const stream = Buffer.concat(texts.map(frame));
  const found: string[] = [];
  const note = (bytes: Buffer): void => void found.push(bytes.toString());
  let direct = 0;
  for (let at = 0; at < stream.length; ) {
    const space = reader.space(100);
    if (space === undefined) {
      reader.push(stream.subarray(at, at + 60), note);
      at += 60;
      continue;
    }
    expect(space.length).toBeGreaterThanOrEqual(100);
    const count = stream.copy(space, 0, at, at + 170);
    reader.filled(count, note);
    at += count;
    direct += count;
  }
  expect(found).toEqual(texts);
  expect(direct).toBeGreaterThan(900);
  expect(reader.space(1)).toBeUndefined();
});

test('Bytes of any value come out as they went in', () => {
  const frames = [Buffer.from('abcd'), Buffer.alloc(300, 7), Buffer.from('wxyz')];
  const stream = Buffer.concat(frames.flatMap((bytes) => [frame(bytes.toString('latin1'))]));
  for (const step of [1, 3, 7, 64, stream.length]) {
    const seen: Buffer[] = [];
    const reader = readerOf(4, 1000);
    for (let at = 0; at < stream.length; at += step) {
      reader.push(stream.subarray(at, at + step), (bytes) => seen.push(Buffer.from(bytes)));
    }
    expect(seen).toEqual(frames);
  }
});

test('A frame in pieces lies in the memory that was lent for it', () => {
  const memory = Buffer.alloc(5);
  const reader = new FrameReader({
    minBytes: 0,
    maxBytes: 9,
    allocate: () => memory,
    refuse: () => new BadFrame(),
  });
  const seen: Buffer[] = [];
  for (const byte of frame('hello')) reader.push(Buffer.of(byte), (bytes) => seen.push(bytes));
  expect(seen).toEqual([memory]);
  expect(memory.toString()).toBe('hello');
});

test('INV-10: a length below zero or above the limit is refused before memory is taken', () => {
  for (const head of ['ffffffff', '7fffffff', '000003e9']) {
    const reader = readerOf(0, 1000);
    expect(() => reader.push(Buffer.from(head, 'hex'), () => undefined)).toThrow(BadFrame);
  }
});

test('INV-10: a length below the smallest message is refused', () => {
  expect(() => readerOf(4, 1000).push(Buffer.from('00000003', 'hex'), () => undefined)).toThrow(BadFrame);
});
