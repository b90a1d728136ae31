import { MessageChannel } from 'node:worker_threads';
import { encodeReference, type SlabMessage } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { SharedRecords } from './shared-records.ts';

const secret = '00112233445566778899aabbccddeeff';

/** Records that another thread shares, and its side. */
function setUp(): { shared: SharedRecords; tell: (message: SlabMessage) => void; end: () => Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  const shared = new SharedRecords();
  shared.add(secret, port1);
  return {
    shared,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
    tell: (message) => port2.postMessage(message),
    end: () =>
      new Promise((resolve) => {
        port1.once('close', () => resolve());
        port2.close();
      }),
  };
}

function slabOf(text: string): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(64);
  Buffer.from(memory).write(text);
  return memory;
}

test('A reference stands for the begin of a slab that was told of before', () => {
  const { shared, tell } = setUp();
  tell({ slab: 7, memory: slabOf('seven') });
  expect(shared.resolve(encodeReference({ secret, slab: 7, length: 5 }))?.toString()).toBe('seven');
});

test('Slabs that nobody told of, or that are gone or too short, have no records', () => {
  const { shared, tell } = setUp();
  expect(shared.resolve(encodeReference({ secret, slab: 1, length: 5 }))).toBeUndefined();
  tell({ slab: 1, memory: slabOf('one') });
  expect(shared.resolve(encodeReference({ secret, slab: 1, length: 65 }))).toBeUndefined();
  tell({ slab: 1, memory: null });
  expect(shared.resolve(encodeReference({ secret, slab: 1, length: 5 }))).toBeUndefined();
});

test('Without the secret nothing is a reference, nor is a batch or null', () => {
  const { shared, tell } = setUp();
  tell({ slab: 1, memory: slabOf('one') });
  const foreign = encodeReference({ secret: secret.replaceAll('0', '1'), slab: 1, length: 3 });
  for (const bytes of [foreign, Buffer.alloc(32, 1), Buffer.alloc(61), Buffer.alloc(0), null])
    expect(shared.resolve(bytes)).toBe(bytes);
});

test('A thread that ends takes its slabs with it', async () => {
  const { shared, tell, end } = setUp();
  tell({ slab: 1, memory: slabOf('one') });
  await end();
  const reference = encodeReference({ secret, slab: 1, length: 3 });
  expect(shared.resolve(reference)).toBe(reference);
});
