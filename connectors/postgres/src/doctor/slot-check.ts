// The replication slot: whether it can be read, and how much it makes the server keep.
import type pg from 'pg';
import type { PostgresConfig } from '../config.ts';
import { quoteLiteral } from '../connection.ts';
import { readSlot, whyUnusable } from '../replication-slot.ts';
import { readServerFacts } from '../server.ts';
import { type CheckList, formatBytes } from './check-list.ts';

const CHECK = 'slot';
/** More than this is worth a look. */
const MUCH_WAL = 1024 ** 3;

export async function checkSlot(client: pg.Client, config: PostgresConfig, list: CheckList): Promise<void> {
  if (!config.snapshot.stream) return;
  const { name } = config.slot;
  const { version, walEnd } = await readServerFacts(client);
  const slot = await readSlot(client, name, version);
  const drop = `SELECT pg_drop_replication_slot(${quoteLiteral(name)});`;
  if (slot === undefined) {
    list.ok(CHECK, `the connector will create ${name}`);
    await checkOpenTransactions(client, list);
    return;
  }
  const why = whyUnusable(slot, config);
  if (why !== undefined) {
    list.problem(CHECK, why, [`${drop} -- or choose another slot.name`]);
    return;
  }
  if (slot.givenUp !== undefined) {
    list.problem(CHECK, `the server has given ${name} up: ${slot.givenUp}. Changes are lost`, [
      drop,
      'Then reset the offsets of the connector, or set snapshot.mode to when_needed, to read the tables again.',
    ]);
    return;
  }
  const retained = slot.restartLsn === undefined ? 0 : Math.max(0, Number(walEnd) - Number(slot.restartLsn));
  const kept = `it keeps ${formatBytes(retained)} of WAL`;
  if (slot.active) list.ok(CHECK, `${name} is read by process ${slot.activePid}; ${kept}`);
  else list.ok(CHECK, `${name} is there and nobody reads it; ${kept}`);
  if (retained > MUCH_WAL) {
    list.warning('retained WAL', `${formatBytes(retained)} wait for the reader of ${name}`, [
      'Start the connector, or look at its status for why it does not get on.',
      `${drop} -- only if nobody needs what it keeps`,
    ]);
  }
}

/** The making of a slot waits for all transactions that are open. */
async function checkOpenTransactions(client: pg.Client, list: CheckList): Promise<void> {
  const { rows } = await client.query<{ pid: number; seconds: number; query: string }>(
    `select pid, extract(epoch from now() - xact_start)::int as seconds, left(query, 60) as query
       from pg_catalog.pg_stat_activity
      where backend_xid is not null and pid <> pg_backend_pid() and xact_start < now() - interval '10 seconds'
      order by xact_start limit 3`,
  );
  if (rows.length === 0) return;
  const open = rows.map(({ pid, seconds, query }) => `process ${pid} for ${seconds} s (${query})`).join('; ');
  list.warning(
    'open transactions',
    `the slot is made once these have ended: ${open}`,
    rows.map(({ pid }) => `SELECT pg_terminate_backend(${pid}); -- unless it ends by itself`),
  );
}
