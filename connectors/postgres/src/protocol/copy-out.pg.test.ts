import { setTimeout as sleep } from 'node:timers/promises';
import { testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { expect, test } from 'vitest';
import { type CopyHandler, copyOut } from './copy-out.ts';

async function session(use: (client: pg.Client) => Promise<void>): Promise<void> {
  await using database = await testDatabase();
  const { host, port, user, password, name } = database;
  const client = new pg.Client({ host, port, user, password, database: name });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

/** Rows as texts; `read` as given. */
function gather(read: CopyHandler['read'] = () => undefined): { rows: string[]; handler: CopyHandler } {
  const rows: string[] = [];
  const row = (bytes: Buffer, start: number, end: number): void =>
    void rows.push(bytes.toString('utf8', start, end));
  return { rows, handler: { row, read } };
}

const series = (count: number, what = 'i'): string =>
  `COPY (select ${what} from generate_series(1, ${count}) i) TO STDOUT`;

test('rows arrive in order, whole, also large ones, and the session goes on', async () => {
  await session(async (client) => {
    const { rows, handler } = gather();
    await copyOut(client, series(50_000), handler);
    expect(rows).toEqual(Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`));
    const large = gather();
    await copyOut(client, series(3, `repeat(i::text, 3000000)`), large.handler);
    expect(large.rows).toEqual(['1', '2', '3'].map((digit) => `${digit.repeat(3_000_000)}\n`));
    const none = gather();
    await copyOut(client, series(0), none.handler);
    expect(none.rows).toEqual([]);
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

test('an error of the server, before or within the rows, is thrown, and the session goes on', async () => {
  await session(async (client) => {
    const { rows, handler } = gather();
    await expect(copyOut(client, 'COPY nowhere TO STDOUT', handler)).rejects.toMatchObject({ code: '42P01' });
    expect(rows).toEqual([]);
    await expect(copyOut(client, series(30_000, '1 / (i - 20000)'), handler)).rejects.toMatchObject({
      code: '22012',
    });
    expect(rows).toHaveLength(19_999);
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

test('no row comes while there is no room, and all come afterwards', async () => {
  await session(async (client) => {
    let isFull = false;
    let waits = 0;
    const { rows, handler } = gather(() => {
      if (waits === 5) return undefined;
      waits++;
      isFull = true;
      return sleep(5).then(() => void (isFull = false));
    });
    const row: CopyHandler['row'] = (...range) => {
      expect(isFull).toBe(false);
      handler.row(...range);
    };
    await copyOut(client, series(100_000), { ...handler, row });
    expect([rows.length, waits]).toEqual([100_000, 5]);
  });
});

test('ends when the task stops, when the handler fails, and when the connection is lost', async () => {
  await session(async (client) => {
    const stop = new AbortController();
    const stopped = gather(() => {
      stop.abort();
      return new Promise<void>(() => undefined);
    });
    await expect(copyOut(client, series(100_000), stopped.handler, stop.signal)).rejects.toThrow('stops');
    await expect(copyOut(client, series(1), stopped.handler, stop.signal)).rejects.toThrow('stops');
    // What is left of the rows is let go.
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    const failing = gather(() => Promise.reject(new Error('no room for ever')));
    await expect(copyOut(client, series(100_000), failing.handler)).rejects.toThrow('no room for ever');
    const lost = gather();
    client.on('error', () => undefined);
    const killed = series(10, 'case when i = 5 then pg_terminate_backend(pg_backend_pid()) end');
    await expect(copyOut(client, killed, lost.handler)).rejects.toMatchObject({ code: '57P01' });
  });
});
