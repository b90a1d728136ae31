// The transformations and predicates as plug-ins: a new one is a file and a row here.
import type { Plugin, PluginEntry, PredicatePlugin, TransformationPlugin } from '@millrace/connect-api';
import { CONTRACT_VERSION } from '@millrace/data';
import { ByLogicalTableRouter, byLogicalTableRouterConfig } from './by-logical-table-router.ts';
import { Cast, castConfig } from './cast.ts';
import {
  CollectionNameTransformation,
  collectionNameTransformationConfig,
} from './collection-name-transformation.ts';
import {
  DecodeLogicalDecodingMessageContent,
  decodeLogicalDecodingMessageContentConfig,
} from './decode-logical-message.ts';
import { DropHeaders, dropHeadersConfig } from './drop-headers.ts';
import {
  ExtractChangedRecordState,
  extractChangedRecordStateConfig,
} from './extract-changed-record-state.ts';
import { ExtractField, extractFieldConfig } from './extract-field.ts';
import { ExtractNewRecordState, extractNewRecordStateConfig } from './extract-new-record-state.ts';
import { ExtractSchemaToNewRecord, extractSchemaToNewRecordConfig } from './extract-schema-to-new-record.ts';
import { FieldNameTransformation, fieldNameTransformationConfig } from './field-name-transformation.ts';
import { Filter, filterConfig } from './filter.ts';
import { Flatten, flattenConfig } from './flatten.ts';
import { GeometryFormatTransformer, geometryFormatTransformerConfig } from './geometry-format-transformer.ts';
import { HeaderFrom, headerFromConfig } from './header-from.ts';
import { HeaderToValue, headerToValueConfig } from './header-to-value.ts';
import { HoistField, hoistFieldConfig } from './hoist-field.ts';
import { InsertField, insertFieldConfig } from './insert-field.ts';
import { InsertHeader, insertHeaderConfig } from './insert-header.ts';
import { MaskField, maskFieldConfig } from './mask-field.ts';
import { EventRouter, eventRouterConfig } from './outbox/event-router.ts';
import { PartitionRouting, partitionRoutingConfig } from './partition-routing.ts';
import { HasHeaderKey, hasHeaderKeyConfig } from './predicates/has-header-key.ts';
import { RecordIsTombstone, recordIsTombstoneConfig } from './predicates/record-is-tombstone.ts';
import { TopicNameMatches, topicNameMatchesConfig } from './predicates/topic-name-matches.ts';
import { ReadToInsertEvent, readToInsertEventConfig } from './read-to-insert-event.ts';
import { RegexRouter, regexRouterConfig } from './regex-router.ts';
import { ReplaceField, replaceFieldConfig } from './replace-field.ts';
import { SchemaChangeEventFilter, schemaChangeEventFilterConfig } from './schema-change-event-filter.ts';
import { SetSchemaMetadata, setSchemaMetadataConfig } from './set-schema-metadata.ts';
import type { SideName } from './side.ts';
import { SwapGeometryCoordinates, swapGeometryCoordinatesConfig } from './swap-geometry-coordinates.ts';
import { TimestampConverter, timestampConverterConfig } from './timestamp-converter.ts';
import { TimestampRouter, timestampRouterConfig } from './timestamp-router.ts';
import { TimezoneConverter, timezoneConverterConfig } from './timezone-converter.ts';
import { ValueToKey, valueToKeyConfig } from './value-to-key.ts';
import { VectorToJsonConverter, vectorToJsonConverterConfig } from './vector-to-json-converter.ts';

/** The version of Kafka Connect whose transforms these are. */
const CONNECT_VERSION = '4.3.1';
const CONNECT = 'org.apache.kafka.connect.transforms';

type TransformRow = Omit<TransformationPlugin, 'kind'>;

/** A class of Connect. */
function connect(
  name: string,
  configDef: TransformRow['configDef'],
  create: TransformRow['create'],
): TransformRow {
  return { className: `${CONNECT}.${name}`, version: CONNECT_VERSION, configDef, create };
}

/** A class of Debezium, by its name below `io.debezium`. */
function debezium(
  name: string,
  configDef: TransformRow['configDef'],
  create: TransformRow['create'],
): TransformRow {
  return { className: `io.debezium.${name}`, version: CONTRACT_VERSION, configDef, create };
}

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
  debezium('transforms.ByLogicalTableRouter', byLogicalTableRouterConfig, () => new ByLogicalTableRouter()),
  debezium(
    'transforms.ExtractNewRecordState',
    extractNewRecordStateConfig,
    () => new ExtractNewRecordState(),
  ),
  debezium(
    'transforms.ExtractChangedRecordState',
    extractChangedRecordStateConfig,
    () => new ExtractChangedRecordState(),
  ),
  debezium(
    'transforms.ExtractSchemaToNewRecord',
    extractSchemaToNewRecordConfig,
    () => new ExtractSchemaToNewRecord(),
  ),
  debezium('transforms.HeaderToValue', headerToValueConfig, () => new HeaderToValue()),
  debezium('transforms.partitions.PartitionRouting', partitionRoutingConfig, () => new PartitionRouting()),
  debezium(
    'connector.mysql.transforms.ReadToInsertEvent',
    readToInsertEventConfig,
    () => new ReadToInsertEvent(),
  ),
  debezium(
    'transforms.SchemaChangeEventFilter',
    schemaChangeEventFilterConfig,
    () => new SchemaChangeEventFilter(),
  ),
  debezium(
    'connector.jdbc.transforms.CollectionNameTransformation',
    collectionNameTransformationConfig,
    () => new CollectionNameTransformation(),
  ),
  debezium(
    'connector.jdbc.transforms.FieldNameTransformation',
    fieldNameTransformationConfig,
    () => new FieldNameTransformation(),
  ),
  debezium(
    'transforms.GeometryFormatTransformer',
    geometryFormatTransformerConfig,
    () => new GeometryFormatTransformer(),
  ),
  debezium(
    'transforms.SwapGeometryCoordinates',
    swapGeometryCoordinatesConfig,
    () => new SwapGeometryCoordinates(),
  ),
  debezium(
    'transforms.VectorToJsonConverter',
    vectorToJsonConverterConfig,
    () => new VectorToJsonConverter(),
  ),
  debezium(
    'connector.postgresql.transforms.DecodeLogicalDecodingMessageContent',
    decodeLogicalDecodingMessageContentConfig,
    () => new DecodeLogicalDecodingMessageContent(),
  ),
  debezium('transforms.TimezoneConverter', timezoneConverterConfig, () => new TimezoneConverter()),
  debezium('transforms.outbox.EventRouter', eventRouterConfig, () => new EventRouter()),
  ...sides('ExtractField', extractFieldConfig, (side) => new ExtractField(side)),
  connect('Filter', filterConfig, () => new Filter()),
  ...sides('InsertField', insertFieldConfig, (side) => new InsertField(side)),
  connect('InsertHeader', insertHeaderConfig, () => new InsertHeader()),
  connect('RegexRouter', regexRouterConfig, () => new RegexRouter()),
  ...sides('ReplaceField', replaceFieldConfig, (side) => new ReplaceField(side)),
  ...sides('Cast', castConfig, (side) => new Cast(side)),
  connect('DropHeaders', dropHeadersConfig, () => new DropHeaders()),
  ...sides('Flatten', flattenConfig, (side) => new Flatten(side)),
  ...sides('HeaderFrom', headerFromConfig, (side) => new HeaderFrom(side)),
  ...sides('HoistField', hoistFieldConfig, (side) => new HoistField(side)),
  ...sides('MaskField', maskFieldConfig, (side) => new MaskField(side)),
  ...sides('SetSchemaMetadata', setSchemaMetadataConfig, (side) => new SetSchemaMetadata(side)),
  ...sides('TimestampConverter', timestampConverterConfig, (side) => new TimestampConverter(side)),
  connect('TimestampRouter', timestampRouterConfig, () => new TimestampRouter()),
  connect('ValueToKey', valueToKeyConfig, () => new ValueToKey()),
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
