import { freePort } from '@millrace/local-servers';
import { type TestDatabase, testDatabase } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeOffsets } from '../../testing/offsets-conformance.ts';
import { postgresOffsets } from './postgres-offsets.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
let used = 0;

describeOffsets('Postgres', () => {
  const table = `public.Offsets "${used++}"`;
  return () => postgresOffsets({ connection: { connectionString: database.url }, table });
});

test('a connection that the server has ended is opened anew', async () => {
  const offsets = postgresOffsets({ connection: { connectionString: database.url } });
  await offsets.load();
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'millrace' and datname = current_database()",
  );
  // The save that meets the end may fail; the one after it does not.
  await offsets.save(new Map([['a', '0']])).catch(() => undefined);
  await offsets.save(new Map([['a', '1']]));
  expect(await offsets.load()).toEqual(new Map([['a', '1']]));
  await offsets.close?.();
});

test('INV-11: a server that cannot be reached is told without the password', async () => {
  const port = await freePort();
  const offsets = postgresOffsets({ connection: { host: '127.0.0.1', port, user: 'u', password: 'secret' } });
  const failure = await offsets.load().catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({ code: 'library.offsets' });
  expect(String(failure)).not.toContain('secret');
});
