// Configs of older dialects. One of the 1.9 era, which 3.x refuses (it has `database.server.name` and no
// `topic.prefix`), is upgraded as a whole and keeps the meaning it had; in a current one only the old names of snapshot
// modes are translated, and values that Debezium would not look at are left out. Pure.
import type { ConfigWarning, RawConfig } from '@millrace/foundation';
import { withoutUnreadable } from './unreadable-values.ts';

interface Upgraded {
  readonly config: RawConfig;
  readonly warnings: readonly ConfigWarning[];
}

const SNAPSHOT_MODES: Readonly<Record<string, string>> = {
  never: 'no_data',
  schema_only: 'no_data',
  schema_only_recovery: 'no_data',
  initial_schema_only: 'no_data',
  exported: 'initial',
};

/** Old key to its current name; null = it has no meaning any more. */
const RENAMED: Readonly<Record<string, string | null>> = {
  'database.server.name': 'topic.prefix',
  'table.whitelist': 'table.include.list',
  'table.blacklist': 'table.exclude.list',
  'schema.whitelist': 'schema.include.list',
  'schema.blacklist': 'schema.exclude.list',
  'column.whitelist': 'column.include.list',
  'column.blacklist': 'column.exclude.list',
  'message.prefix.whitelist': 'message.prefix.include.list',
  'message.prefix.blacklist': 'message.prefix.exclude.list',
  'slot.drop_on_stop': 'slot.drop.on.stop',
  // The key is there yet and has no effect any more.
  'heartbeat.topics.prefix': 'topic.heartbeat.prefix',
  'toasted.value.placeholder': 'unavailable.value.placeholder',
  'snapshot.custom.class': null,
  'source.struct.version': null,
  'truncate.handling.mode': null,
  'sanitize.field.names': null,
  'database.history': null,
};

/** What an upgraded config gets where it says nothing, because its version behaved so. */
const OLD_BEHAVIOUR: Readonly<Record<string, string>> = {
  'schema.name.adjustment.mode': 'avro',
  'extended.headers.enabled': 'false',
};

const UNWRAP = 'io.debezium.transforms.ExtractNewRecordState';

/** The config as the current version says it, with a warning for each key that was changed. */
export function upgradeConfig(config: RawConfig): Upgraded {
  const old = config['database.server.name'] != null && config['topic.prefix'] == null;
  const warnings: ConfigWarning[] = [];
  const upgraded: Record<string, string | null | undefined> = {};
  for (const [key, value] of Object.entries(config)) {
    const renamed = old ? newName(key, config) : key;
    if (renamed === key) upgraded[key] = value;
    else if (renamed === null)
      warnings.push({ key, message: `${key} has no meaning any more and was left out.` });
    else {
      warnings.push({ key, message: `${key} is an old name; use ${renamed} instead.` });
      upgraded[renamed] ??= value;
    }
  }
  if (old) {
    addOldBehaviour(config, upgraded, warnings);
    upgradeUnwrap(config, upgraded, warnings);
  }
  upgradeSnapshotMode(upgraded, warnings);
  const readable = withoutUnreadable(warnings.length === 0 ? config : upgraded);
  return { config: readable.config, warnings: [...warnings, ...readable.warnings] };
}

function newName(key: string, config: RawConfig): string | null {
  if (Object.hasOwn(RENAMED, key)) return RENAMED[key] ?? null;
  if (key.startsWith('database.history.')) return null;
  // The old keys of an unwrap transform are merged into one, see below.
  const owner = /^(transforms\.[^.]+)\.(drop\.tombstones|delete\.handling\.mode)$/.exec(key);
  return owner && config[`${owner[1]}.type`] === UNWRAP ? null : key;
}

function addOldBehaviour(
  config: RawConfig,
  upgraded: Record<string, string | null | undefined>,
  warnings: ConfigWarning[],
): void {
  for (const [key, value] of Object.entries(OLD_BEHAVIOUR)) {
    if (upgraded[key] != null) continue;
    upgraded[key] = value;
    warnings.push({ key, message: `${key} was set to ${value}, as the version this config is for behaved.` });
  }
  const set = (key: string, value: string, from: string): void => {
    if (upgraded[key] != null) return;
    upgraded[key] = value;
    warnings.push({ key: from, message: `${from} is an old key; use ${key}=${value} instead.` });
  };
  if (config['sanitize.field.names'] === 'true')
    set('field.name.adjustment.mode', 'avro', 'sanitize.field.names');
  if (config['truncate.handling.mode'] === 'include')
    set('skipped.operations', 'none', 'truncate.handling.mode');
  if (
    (config['plugin.name'] ?? 'decoderbufs').startsWith('decoderbufs') ||
    config['plugin.name']?.startsWith('wal2json')
  ) {
    upgraded['plugin.name'] = 'pgoutput';
    warnings.push({
      key: 'plugin.name',
      message: 'plugin.name was set to pgoutput, which every server has.',
    });
  }
}

/** drop.tombstones (default true) and delete.handling.mode (default drop) to the one key there is now. */
function upgradeUnwrap(
  config: RawConfig,
  upgraded: Record<string, string | null | undefined>,
  warnings: ConfigWarning[],
): void {
  for (const [key, type] of Object.entries(config)) {
    if (type !== UNWRAP || !/^transforms\.[^.]+\.type$/.test(key)) continue;
    const prefix = key.slice(0, -'type'.length);
    const dropTombstones = config[`${prefix}drop.tombstones`] !== 'false';
    const deletes = config[`${prefix}delete.handling.mode`] ?? 'drop';
    const mode =
      deletes === 'rewrite'
        ? dropTombstones
          ? 'rewrite'
          : 'rewrite-with-tombstone'
        : deletes === 'none'
          ? 'tombstone'
          : dropTombstones
            ? 'drop'
            : 'delete-to-tombstone';
    const current = `${prefix}delete.tombstone.handling.mode`;
    if (upgraded[current] != null) continue;
    upgraded[current] = mode;
    warnings.push({
      key: current,
      message: `${current} was set to ${mode}, which is what the old keys meant.`,
    });
  }
}

function upgradeSnapshotMode(
  upgraded: Record<string, string | null | undefined>,
  warnings: ConfigWarning[],
): void {
  const mode = upgraded['snapshot.mode']?.trim().toLowerCase();
  const current =
    mode === undefined || !Object.hasOwn(SNAPSHOT_MODES, mode) ? undefined : SNAPSHOT_MODES[mode];
  if (current === undefined) return;
  upgraded['snapshot.mode'] = current;
  warnings.push({
    key: 'snapshot.mode',
    message: `${mode} is an old name of a snapshot mode; use ${current} instead.`,
  });
}
