// F11: what is large passes through without being held.
import { readFileSync } from 'node:fs';
import { eventually, startMillrace, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { postgresSource, putConnector } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const ROW_MB = 16;
/** What the whole is said to run in. */
const LIMIT_MB = 512;

/** The most memory that a process has had resident, in MB. */
function peakMb(pid: number): number {
  const [, kb] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kb) / 1024;
}

test.runIf(process.platform === 'linux')(
  `F11: a transaction of 100 MB and rows of ${ROW_MB} MB pass within ${LIMIT_MB} MB (INV-5)`,
  async () => {
    await using database = await testDatabase();
    await database.query(`
      create table many (id int primary key, pad text);
      create table wide (id int primary key, big text);
      insert into wide select i, repeat('x', ${ROW_MB} * 1024 * 1024) from generate_series(1, 2) i`);
    await using millrace = await startMillrace({
      brokerProperties: (kafka) => ({ listeners: `PLAINTEXT://${kafka}`, 'message.max.bytes': '33554432' }),
    });
    const source = postgresSource(database, 'large', ['many', 'wide'], {
      'producer.override.max.request.size': '33554432',
    });
    await putConnector(millrace, 'source', source);
    await database.query("insert into many select i, repeat('y', 1000) from generate_series(1, 100000) i");
    await database.query(
      `insert into wide select i, repeat('z', ${ROW_MB} * 1024 * 1024) from generate_series(5, 6) i`,
    );
    await database.query("insert into many values (0, 'last')");
    const [end] = await database.query('select pg_current_wal_lsn() as lsn');
    const slot = async (): Promise<boolean> => {
      const [row] = await database.query(
        'select confirmed_flush_lsn >= $2 as done, confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = $1',
        [database.name, end?.['lsn']],
      );
      if (row?.['done'] === true) return true;
      const { body } = await millrace.request('GET', '/connectors/source/status');
      throw new Error(`${JSON.stringify(row)} ${JSON.stringify(body)}`);
    };
    await eventually('all is delivered and confirmed', slot, 180_000);
    const peak = peakMb(millrace.pid ?? 0);
    process.stderr.write(`peak of resident memory: ${Math.round(peak)} MB\n`);
    expect(peak).toBeLessThan(LIMIT_MB);
    expect(await readTopic(millrace.kafka, 'large.public.wide')).toHaveLength(4);
  },
  240_000,
);
