import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { decodeReference, type SlabMessage } from '@millrace/kafka-protocol';
import { expect, test } from 'vitest';
import { HandOver } from './hand-over.ts';

const address = '127.0.0.1:9092';
const secret = '00112233445566778899aabbccddeeff';
const BATCH = Buffer.alloc(100_000, 'batch');

/** A hand-over, and what it has told the broker so far. */
function setUp(): { handOver: HandOver; told: () => SlabMessage[] } {
  const { port1, port2 } = new MessageChannel();
  const all: SlabMessage[] = [];
  const told = (): SlabMessage[] => {
    for (let next = receiveMessageOnPort(port2); next; next = receiveMessageOnPort(port2))
      all.push(next.message as SlabMessage);
    return all;
  };
  return { handOver: new HandOver({ address, secret, port: port1 }), told };
}

test('A large batch is copied to memory that the broker sees, and named in its place', () => {
  const { handOver, told } = setUp();
  const lending = handOver.lend(address);
  const reference = decodeReference(lending?.referenceTo(BATCH) ?? Buffer.alloc(0));
  expect(reference).toEqual({ secret, slab: 0, length: BATCH.length });
  const [message] = told();
  expect(message?.slab).toBe(0);
  expect(Buffer.from(message?.memory ?? new SharedArrayBuffer(0), 0, BATCH.length).equals(BATCH)).toBe(true);
  expect(lending?.bytes).toBe(BATCH.length);
});

test('Small batches, batches larger than a slab and those for other brokers are sent themselves', () => {
  const { handOver, told } = setUp();
  for (const batch of [Buffer.alloc(1000), Buffer.alloc(2_000_000)])
    expect(handOver.lend(address)?.referenceTo(batch)).toBeUndefined();
  expect(handOver.lend('127.0.0.1:9093')).toBeUndefined();
  expect(told()).toEqual([]);
});

test('Memory is used again once its batches are stored, and no more than a bound of it is taken', () => {
  const { handOver, told } = setUp();
  const first = handOver.lend(address);
  while (first?.referenceTo(BATCH) !== undefined);
  const taken = told().length;
  expect(taken).toBe(8);
  first?.stored();
  const second = handOver.lend(address);
  for (let i = 0; i < taken; i++) expect(second?.referenceTo(BATCH)).toHaveLength(32);
  expect(second?.referenceTo(BATCH)).toBeUndefined();
  expect(told()).toHaveLength(taken);
});

test('INV-4: memory of batches of which nobody knows whether they are stored is never written again', () => {
  const { handOver, told } = setUp();
  const lending = handOver.lend(address);
  lending?.referenceTo(BATCH);
  lending?.unknown();
  const next = decodeReference(handOver.lend(address)?.referenceTo(BATCH) ?? Buffer.alloc(0));
  expect(next?.slab).toBe(1);
  expect(told().map(({ slab, memory }) => [slab, memory === null])).toEqual([
    [0, false],
    [0, true],
    [1, false],
  ]);
});
