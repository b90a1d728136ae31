import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, runMillrace, startMillrace, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { postgresSource, putConnector } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

test('doctor prints a check list with the SQL that repairs each point, and its exit code says what is wrong', async () => {
  await using db = await testDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), 'millrace-doctor-'));
  try {
    const file = path.join(folder, 'source.json');
    const config = {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'topic.prefix': 'p',
      'database.hostname': db.host,
      'database.port': db.port,
      'database.user': db.user,
      'database.password': '${env:DOCTOR_PASSWORD}',
      'database.dbname': db.name,
      'slot.name': db.name,
      'publication.name': db.name,
      'publication.autocreate.mode': 'disabled',
    };
    await writeFile(file, JSON.stringify({ name: 'source', config }));
    const env = { DOCTOR_PASSWORD: db.password };
    await db.query('create table t (id int primary key)');
    const found = await runMillrace(['doctor', 'postgres', '-f', file], { env });
    expect(found.stdout).toMatch(/^ok +wal_level +logical$/m);
    expect(found.stdout).toContain(`CREATE PUBLICATION "${db.name}" FOR TABLE "public"."t";`);
    expect(found.stdout).toMatch(/^1 problem, \d warnings?$/m);
    expect(found.code).toBe(3);
    await db.query(`CREATE PUBLICATION "${db.name}" FOR TABLE "public"."t";`);
    const healthy = await runMillrace(['doctor', '-f', file, '-o', 'json'], { env });
    expect(healthy.code).toBe(0);
    expect(JSON.parse(healthy.stdout)).toContainEqual({
      check: 'publication',
      state: 'ok',
      detail: `${db.name} has all of them`,
    });
    const unknown = await runMillrace(['doctor', 'oracle', '-f', file], { env });
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('There is no check list for oracle');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the grants of the guide are enough, as they are printed', async () => {
  await using db = await testDatabase();
  const guide = await readFile(new URL('../../../docs/guides/postgres.md', import.meta.url), 'utf8');
  const [, printed = ''] = /```sql\n(create role millrace [^]*?)```/.exec(guide) ?? [];
  const role = `${db.name}_grants`;
  const grants = printed
    .replace(/role millrace/, `role ${role}`)
    .replaceAll(/to millrace;/g, `to ${role};`)
    .replace('database shop', `database ${db.name}`)
    .replaceAll('dbz_publication', db.name);
  await db.query('create table customers (id int primary key); create table orders (id int primary key)');
  await db.query(grants);
  const folder = await mkdtemp(path.join(tmpdir(), 'millrace-grants-'));
  await using millrace = await startMillrace();
  try {
    const tables = ['customers', 'orders'];
    const config = postgresSource({ ...db, user: role, password: 'secret' }, 'granted', tables, {
      'publication.autocreate.mode': 'disabled',
    });
    const file = path.join(folder, 'granted.json');
    await writeFile(file, JSON.stringify({ name: 'granted', config }));
    const found = await runMillrace(['doctor', '-f', file]);
    expect([found.code, found.stdout]).toEqual([0, expect.stringMatching(/^0 problems/m)]);
    await putConnector(millrace, 'granted', config);
    await db.query('insert into orders values (1)');
    await eventually(
      'the row is there',
      async () => (await readTopic(millrace.kafka, 'granted.public.orders')).length > 0,
    );
  } finally {
    await millrace.end('SIGTERM');
    await db.query(`drop owned by ${role}; drop role ${role}`);
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
