// Version, settings and rights.
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { connect, quoteIdentifier } from '../connection.ts';
import { serverMessage } from '../errors.ts';
import { readServerFacts } from '../server.ts';
import type { CheckList } from './check-list.ts';

const OLDEST = 14;

export async function checkServer(client: pg.Client, config: PostgresConfig, list: CheckList): Promise<void> {
  const facts = await readServerFacts(client);
  const major = Math.floor(facts.version / 10_000);
  const version = `PostgreSQL ${major}.${facts.version % 10_000}`;
  if (major >= OLDEST) list.ok('version', version);
  else list.warning('version', `${version}; tests run on ${OLDEST} to 18`, ['Upgrade the server.']);
  if (!config.snapshot.stream) return;
  if (facts.walLevel === 'logical') list.ok('wal_level', 'logical');
  else {
    list.problem('wal_level', `is ${facts.walLevel}; changes can be read with logical only`, [
      'ALTER SYSTEM SET wal_level = logical; -- then restart the server',
    ]);
  }
  await checkRoom(client, config, list);
  await checkReplication(client, config, list);
  await checkRetention(client, list);
}

/** A slot and a sender have to be free, unless the slot is there. */
async function checkRoom(client: pg.Client, config: PostgresConfig, list: CheckList): Promise<void> {
  const { rows } = await client.query<{
    slots: number;
    max_slots: number;
    senders: number;
    max_senders: number;
    ours: boolean;
  }>(
    `select (select count(*)::int from pg_catalog.pg_replication_slots) as slots,
            current_setting('max_replication_slots')::int as max_slots,
            (select count(*)::int from pg_catalog.pg_stat_replication) as senders,
            current_setting('max_wal_senders')::int as max_senders,
            exists (select from pg_catalog.pg_replication_slots where slot_name = $1) as ours`,
    [config.slot.name],
  );
  const row = rows[0];
  if (row === undefined) return;
  // The initial snapshot takes a temporary one beside a slot that is there.
  if (row.slots < row.max_slots || row.ours)
    list.ok('max_replication_slots', `${row.slots} of ${row.max_slots} in use`);
  else {
    list.problem('max_replication_slots', `all ${row.max_slots} are in use`, [
      'SELECT slot_name, active, restart_lsn FROM pg_replication_slots; -- drop what nobody reads',
      `ALTER SYSTEM SET max_replication_slots = ${row.max_slots + 5}; -- then restart the server`,
    ]);
  }
  if (row.senders < row.max_senders)
    list.ok('max_wal_senders', `${row.senders} of ${row.max_senders} in use`);
  else {
    list.problem('max_wal_senders', `all ${row.max_senders} are in use`, [
      `ALTER SYSTEM SET max_wal_senders = ${row.max_senders + 5}; -- then restart the server`,
    ]);
  }
}

/** The only sure way to know is to open such a session: hosted servers have roles of their own for it. */
async function checkReplication(client: pg.Client, config: PostgresConfig, list: CheckList): Promise<void> {
  const { user } = config.connection;
  try {
    const session = await connect(config.connection, 'replication');
    try {
      await session.query('IDENTIFY_SYSTEM');
    } finally {
      await session.end().catch(() => undefined);
    }
    list.ok('replication', `${user} may replicate`);
  } catch (error) {
    const { rows } = await client.query<{ hosted: boolean }>(
      "select exists (select from pg_catalog.pg_roles where rolname = 'rds_replication') as hosted",
    );
    const role = quoteIdentifier(user);
    list.problem('replication', serverMessage(error), [
      rows[0]?.hosted ? `GRANT rds_replication TO ${role};` : `ALTER ROLE ${role} REPLICATION;`,
      `# pg_hba.conf must let ${user} in to database ${config.connection.database}; logical replication asks for that, not for "replication"`,
    ]);
  }
}

async function checkRetention(client: pg.Client, list: CheckList): Promise<void> {
  const { rows } = await client.query<{ keep: string }>(
    "select setting as keep from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'",
  );
  const keep = Number(rows[0]?.keep ?? -1);
  if (keep >= 0) list.ok('max_slot_wal_keep_size', `${keep} MB`);
  else {
    list.warning(
      'max_slot_wal_keep_size',
      'is unlimited: a connector that stands still for long fills the disk of the server',
      [
        "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; -- as much as the disk can spare",
        'SELECT pg_reload_conf();',
      ],
    );
  }
}
