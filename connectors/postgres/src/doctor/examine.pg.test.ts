import type { Finding } from '@millrace/connect-api';
import { startPostgres } from '@millrace/local-servers';
import { testDatabase } from '@millrace/testkit';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { testConfig } from '../fixtures/test-config.ts';
import { examine } from './examine.ts';

const run = (config: Record<string, string>): Promise<readonly Finding[]> =>
  examine(config, new AbortController().signal);

const states = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, state }) => [check, state]));

/** The SQL of the findings, run as it is printed. */
async function repair(url: string, findings: readonly Finding[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const { state, fix } of findings) {
      if (state === 'ok') continue;
      for (const line of fix ?? []) if (/^(GRANT|ALTER|CREATE)\b.*;/.test(line)) await client.query(line);
    }
  } finally {
    await client.end();
  }
}

describe('the check list', () => {
  test('has nothing to say against a server that is ready', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key, n int)');
    const found = states(await run(testConfig(db, db.name)));
    expect(found).toMatchObject({
      config: 'ok',
      connection: 'ok',
      version: 'ok',
      wal_level: 'ok',
      replication: 'ok',
      tables: 'ok',
      rights: 'ok',
      'replica identity': 'ok',
      publication: 'ok',
      slot: 'ok',
    });
    expect(await db.query('select from pg_replication_slots where database = $1', [db.name])).toEqual([]);
    expect(await db.query('select from pg_publication')).toEqual([]);
  });

  test('gives the SQL for what a user without rights lacks, and it is enough', async () => {
    await using db = await testDatabase();
    const role = `doctor_${db.name}`;
    await db.query(`create role ${role} login password 'pw'`);
    try {
      await db.query(
        'create schema hidden; create table hidden.t (id int); create table t (id int primary key)',
      );
      const config = {
        ...testConfig({ ...db, user: role, password: 'pw' }, db.name),
        'publication.autocreate.mode': 'disabled',
      };
      const before = await run(config);
      expect(states(before)).toMatchObject({
        replication: 'problem',
        rights: 'problem',
        publication: 'problem',
        'replica identity': 'warning',
      });
      await repair(
        db.url,
        before.filter(({ check }) => check !== 'max_slot_wal_keep_size'),
      );
      const problems = (await run(config)).filter(({ state }) => state === 'problem');
      expect(problems).toEqual([]);
    } finally {
      await db.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  test('tells of publications and slots that will not do', async () => {
    await using db = await testDatabase();
    await db.query('create table t (id int primary key); create table u (id int primary key)');
    await db.query(`create publication "${db.name}" for table t`);
    await db.query(`select pg_create_logical_replication_slot('${db.name}', 'test_decoding')`);
    const config = { ...testConfig(db, db.name), 'publication.autocreate.mode': 'disabled' };
    const findings = await run(config);
    expect(findings.filter(({ state }) => state === 'problem')).toEqual([
      {
        check: 'publication',
        state: 'problem',
        about: 'environment',
        detail: `${db.name} lacks public.u: their changes will never come`,
        fix: [`ALTER PUBLICATION "${db.name}" ADD TABLE "public"."u";`],
      },
      {
        check: 'slot',
        state: 'problem',
        about: 'environment',
        detail: `The replication slot ${db.name} cannot be used: its plug-in is test_decoding, not pgoutput`,
        fix: [`SELECT pg_drop_replication_slot('${db.name}'); -- or choose another slot.name`],
      },
    ]);
  });

  test('names keys and values that are wrong, and a list that matches nothing', async () => {
    await using db = await testDatabase();
    const wrong = await run({ ...testConfig(db, 'Not A Slot'), 'max.batch.size': '0' });
    expect(wrong.map(({ check, about }) => [check, about])).toEqual([
      ['slot.name', 'config'],
      ['max.batch.size', 'config'],
    ]);
    const none = await run({ ...testConfig(db, db.name), 'table.include.list': 'public.nothing' });
    expect(none.find(({ check }) => check === 'tables')).toMatchObject({ state: 'problem', about: 'config' });
    const password = await run({ ...testConfig(db, db.name), 'database.port': '1' });
    expect(states(password)).toEqual({ config: 'ok', connection: 'problem' });
  });

  test('says what to set on a server that does not log enough', async () => {
    await using server = await startPostgres({ fsync: false, settings: { wal_level: 'replica' } });
    const { host, port } = server;
    const target = { host, port, user: 'postgres', password: 'postgres', name: 'postgres' };
    const findings = await run(testConfig(target, 's'));
    expect(findings.find(({ check }) => check === 'wal_level')).toEqual({
      check: 'wal_level',
      state: 'problem',
      about: 'environment',
      detail: 'is replica; changes can be read with logical only',
      fix: ['ALTER SYSTEM SET wal_level = logical; -- then restart the server'],
    });
  });
});
