import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runMillrace, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';

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
