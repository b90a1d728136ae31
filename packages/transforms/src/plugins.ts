// The transformations and predicates as plug-ins: a new one is a file and a row here.
import type { Plugin, PluginEntry, PredicatePlugin, TransformationPlugin } from '@millrace/connect-api';
import { CONTRACT_VERSION } from '@millrace/data';
import { ExtractNewRecordState, extractNewRecordStateConfig } from './extract-new-record-state.ts';
import { Filter, filterConfig } from './filter.ts';
import { InsertField, insertFieldConfig } from './insert-field.ts';
import { HasHeaderKey, hasHeaderKeyConfig } from './predicates/has-header-key.ts';
import { RecordIsTombstone, recordIsTombstoneConfig } from './predicates/record-is-tombstone.ts';
import { TopicNameMatches, topicNameMatchesConfig } from './predicates/topic-name-matches.ts';
import { RegexRouter, regexRouterConfig } from './regex-router.ts';
import { ReplaceField, replaceFieldConfig } from './replace-field.ts';
import type { SideName } from './side.ts';

/** The version of Kafka Connect whose transforms these are. */
const CONNECT_VERSION = '4.3.1';
const CONNECT = 'org.apache.kafka.connect.transforms';

type TransformRow = Omit<TransformationPlugin, 'kind'>;

/** The two classes of a transform that works on one side. */
function sides(
  name: string,
  configDef: TransformRow['configDef'],
  create: (side: SideName) => ReturnType<TransformRow['create']>,
): TransformRow[] {
  return (['Key', 'Value'] as const).map((side) => ({
    className: `${CONNECT}.${name}$${side}`,
    version: CONNECT_VERSION,
    configDef,
    create: () => create(side),
  }));
}

const transforms: readonly TransformRow[] = [
  {
    className: 'io.debezium.transforms.ExtractNewRecordState',
    version: CONTRACT_VERSION,
    configDef: extractNewRecordStateConfig,
    create: () => new ExtractNewRecordState(),
  },
  {
    className: `${CONNECT}.Filter`,
    version: CONNECT_VERSION,
    configDef: filterConfig,
    create: () => new Filter(),
  },
  ...sides('InsertField', insertFieldConfig, (side) => new InsertField(side)),
  {
    className: `${CONNECT}.RegexRouter`,
    version: CONNECT_VERSION,
    configDef: regexRouterConfig,
    create: () => new RegexRouter(),
  },
  ...sides('ReplaceField', replaceFieldConfig, (side) => new ReplaceField(side)),
];

const predicates: readonly Omit<PredicatePlugin, 'kind'>[] = [
  {
    className: `${CONNECT}.predicates.HasHeaderKey`,
    version: CONNECT_VERSION,
    configDef: hasHeaderKeyConfig,
    create: () => new HasHeaderKey(),
  },
  {
    className: `${CONNECT}.predicates.RecordIsTombstone`,
    version: CONNECT_VERSION,
    configDef: recordIsTombstoneConfig,
    create: () => new RecordIsTombstone(),
  },
  {
    className: `${CONNECT}.predicates.TopicNameMatches`,
    version: CONNECT_VERSION,
    configDef: topicNameMatchesConfig,
    create: () => new TopicNameMatches(),
  },
];

function entry(plugin: Plugin): PluginEntry {
  return {
    kind: plugin.kind,
    className: plugin.className,
    version: plugin.version,
    load: () => Promise.resolve(plugin),
  };
}

/** Every transformation and predicate of this package. */
export const transformPlugins: readonly PluginEntry[] = [
  ...transforms.map((row) => entry({ kind: 'transformation', ...row })),
  ...predicates.map((row) => entry({ kind: 'predicate', ...row })),
];
