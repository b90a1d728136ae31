import { Duplex } from 'node:stream';
import { systemClock } from '@millrace/foundation';
import type pg from 'pg';
import { expect, test } from 'vitest';
import { type ReplicationHandler, ReplicationStream } from './replication-stream.ts';

/** A connection whose network takes what it is given only while `takes` says so. */
function connection(takes: () => boolean): { readonly client: pg.Client; readonly ended: () => boolean } {
  let ended = false;
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk[0] === 0x51) socket.push(Buffer.from([0x57, 0, 0, 0, 7, 0, 0, 0]));
      if (takes()) done();
    },
  });
  const client = {
    connection: { stream: socket },
    end: () => {
      ended = true;
      return Promise.resolve();
    },
  };
  return { client: client as unknown as pg.Client, ended: () => ended };
}

function opened(takes: () => boolean, overdue: () => Error | undefined) {
  const { client, ended } = connection(takes);
  let failed: (error: unknown) => void = () => undefined;
  const failure = new Promise<unknown>((resolve) => {
    failed = resolve;
  });
  const handler: ReplicationHandler = {
    change: () => true,
    keepalive: () => undefined,
    caughtUp: () => true,
    failed: (error) => failed(error),
  };
  const stream = new ReplicationStream({
    client,
    handler,
    clock: systemClock,
    statusIntervalMs: 10_000,
    silenceLimitMs: 60_000,
    flushTimeoutMs: 20,
    flushOverdue: overdue,
  });
  return { stream, failure, ended };
}

test('INV-7: a confirmed position that does not leave within lsn.flush.timeout.ms ends the stream where that is asked for', async () => {
  let takes = true;
  const { stream, failure, ended } = opened(
    () => takes,
    () => new Error('overdue'),
  );
  await stream.start('START', 1);
  takes = false;
  stream.confirm(5);
  expect(await failure).toMatchObject({ message: expect.stringContaining('overdue') });
  expect(ended()).toBe(true);
});

test('a stream goes on where an overdue position is only to be told of', async () => {
  let takes = true;
  let told: () => void = () => undefined;
  const overdue = new Promise<void>((resolve) => {
    told = resolve;
  });
  const { stream, ended } = opened(
    () => takes,
    () => {
      told();
      return undefined;
    },
  );
  await stream.start('START', 1);
  stream.confirm(4);
  takes = false;
  stream.confirm(5);
  await overdue;
  expect(ended()).toBe(false);
  await stream.close();
});
