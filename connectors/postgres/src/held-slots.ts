// Replication slots outlive their connectors and keep WAL: which one a connector has, and which there are.
import type { FoundAtSource, HeldAtSource } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { connectionSettings } from './config.ts';
import { isPassThroughKey } from './config-check.ts';
import { postgresConfigDef } from './config-keys.ts';
import { upgradeConfig } from './config-upgrade.ts';
import { connect, endOnAbort, quoteLiteral } from './connection.ts';

const KIND = 'replication slot';

/** The slot of a connector, unless it drops that itself. */
export function leavesBehind(raw: RawConfig): HeldAtSource | undefined {
  const { config } = postgresConfigDef.parse(upgradeConfig(raw).config, isPassThroughKey);
  if (config.boolean('slot.drop.on.stop')) return undefined;
  const { host, port, database } = connectionSettings(config);
  return held(config.string('slot.name'), `${host}:${port}/${database}`);
}

/** The logical slots of the database. @throws postgres.connection_failed and others */
export async function findAtSource(raw: RawConfig, signal: AbortSignal): Promise<readonly FoundAtSource[]> {
  const { config } = postgresConfigDef.parse(upgradeConfig(raw).config, isPassThroughKey);
  const settings = connectionSettings(config);
  const { host, port, database } = settings;
  const client = await connect(settings);
  const release = endOnAbort(client, signal);
  try {
    const { rows } = await client.query<{
      name: string;
      active: boolean;
      kept: string | null;
      state: string;
    }>(
      `select slot_name as name, active, coalesce(wal_status, 'unknown') as state,
              (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
                - restart_lsn)::text as kept
         from pg_catalog.pg_replication_slots
        where slot_type = 'logical' and not temporary and database = current_database()
        order by slot_name`,
    );
    return rows.map(({ name, active, kept, state }) => ({
      ...held(name, `${host}:${port}/${database}`),
      active,
      keptBytes: kept === null ? null : Math.max(0, Number(kept)),
      state,
    }));
  } finally {
    release();
    await client.end().catch(() => undefined);
  }
}

function held(name: string, where: string): HeldAtSource {
  return { kind: KIND, name, where, release: `SELECT pg_drop_replication_slot(${quoteLiteral(name)});` };
}
