// CORRECTNESS 8: what a transaction did to a table counts for its own rows, also while queries do not see it yet.
import type { Struct } from '@millrace/data';
import { startPostgres } from '@millrace/local-servers';
import { testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { expect, test } from 'vitest';
import { TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

test('INV-2: rows of a commit that waits for a standby have the key and the types of their own transaction', async () => {
  await using server = await startPostgres({
    fsync: false,
    // A session that asks for more waits for a standby that never comes.
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
  });
  await using db = await testDatabase(server.url('postgres'));
  await db.query('create table t (id int primary key, code text not null unique)');
  const settings = testConfig(db, db.name, { 'snapshot.mode': 'no_data' });
  await using driver = await TaskDriver.start(settings);
  await db.query("insert into t values (1, 'a')");
  await driver.until(1);
  const waiting = new pg.Client({ connectionString: db.url });
  await waiting.connect();
  await waiting.query('set synchronous_commit = on');
  await waiting.query('begin');
  await waiting.query("alter table t rename id to number; create type mood as enum ('sad', 'glad')");
  await waiting.query("alter table t add mood mood; insert into t values (2, 'b', 'glad')");
  const committed = waiting.query('commit');

  // It has been sent, and the task has asked the catalog.
  const asked = async (): Promise<boolean> => {
    const [row] = await db.query(
      `select exists (select from pg_stat_activity w join pg_stat_replication r on true
         join pg_stat_activity c on c.datname = current_database() and c.pid not in (w.pid, r.pid, pg_backend_pid())
        where w.wait_event = 'SyncRep' and r.sent_lsn >= pg_current_wal_lsn() and c.query_start > w.query_start) as asked`,
    );
    return row?.['asked'] === true;
  };
  await driver.untilTrue(asked);
  // It stops waiting, and is seen.
  await db.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
  await committed;
  await waiting.end();

  const delivered = await driver.until(2);
  const { key, value } = delivered[1]?.record ?? {};
  expect((key as Struct).schema.fields.map(({ name }) => name)).toEqual(['number']);
  expect(((value as Struct).get('after') as Struct).get('mood')).toBe('glad');
});
