import { createMetrics } from '@millrace/foundation';
import { testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

test('a task shows what it has read, how far it is behind and what the server keeps for it', async () => {
  await using db = await testDatabase();
  await db.query(`
    create table t (id int primary key, v text); create table other (id int primary key);
    insert into t select i, 'v' from generate_series(1, 50) i; analyze t`);
  const metrics = createMetrics();
  const values = async (): Promise<Map<string, number>> => {
    const lines = (await metrics.metrics())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const [, name = '', labels = '', value = ''] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
        const context = /context="(\w+)"/.exec(labels)?.[1];
        const extra = /(?:table|key)="([^"]+)"/.exec(labels)?.[1];
        return [
          [name.replace('debezium_metrics_', ''), context, extra].filter(Boolean).join(' '),
          Number(value),
        ];
      }),
    );
  };
  const settings = testConfig(db, db.name, {
    'publication.autocreate.mode': 'all_tables',
    'table.include.list': 'public.t',
  });
  const driver = await TaskDriver.start(settings, null, null, new Map(), { metrics });
  await driver.until(50);
  const after = await values();
  expect(after.get('SnapshotCompleted snapshot')).toBe(1);
  expect(after.get('RowsScanned snapshot public.t')).toBe(50);
  expect(after.get('TotalTableCount snapshot')).toBe(1);
  expect(after.get('RemainingTableCount snapshot')).toBe(0);
  expect(after.get('millrace_snapshot_progress_percent')).toBe(100);
  expect(after.get('CapturedTables streaming')).toBe(1);
  await db.query("insert into t select i, 'w' from generate_series(101, 103) i");
  await db.query("update t set v = 'x' where id <= 2; delete from t where id = 50");
  await db.query('insert into other select generate_series(1, 5)');
  await db.query('insert into t values (200)');
  await driver.until(50 + 3 + 2 + 2 + 1);
  const later = await values();
  expect(later.get('TotalNumberOfEventsSeen streaming')).toBe(7);
  expect(later.get('TotalNumberOfCreateEventsSeen streaming')).toBe(4);
  expect(later.get('TotalNumberOfUpdateEventsSeen streaming')).toBe(2);
  expect(later.get('TotalNumberOfDeleteEventsSeen streaming')).toBe(1);
  expect(later.get('NumberOfEventsFiltered streaming')).toBe(5);
  expect(later.get('NumberOfCommittedTransactions streaming')).toBeGreaterThanOrEqual(4);
  expect(later.get('LastTransactionId streaming')).toBeGreaterThan(0);
  expect(later.get('SourceEventPosition streaming lsn')).toBeGreaterThan(0);
  expect(later.get('MilliSecondsBehindSourceMaxValue streaming')).toBeGreaterThanOrEqual(0);
  await driver.untilTrue(async () => {
    const now = await values();
    return (
      (now.get('millrace_postgres_slot_retained_wal_bytes') ?? 0) > 0 &&
      now.get('millrace_source_lag_bytes') === 0
    );
  });
  await driver[Symbol.asyncDispose]();
  expect([...(await values()).keys()]).toEqual([]);
});
