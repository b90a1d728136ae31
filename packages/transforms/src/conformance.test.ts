import { describeTransformation } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { transformPlugins } from './plugins.ts';

/** A config that works, and configs that are refused by the key they are wrong in. */
const SUBJECTS: Readonly<
  Record<string, { config: Record<string, string>; refused?: Record<string, Record<string, string>> }>
> = {
  'io.debezium.transforms.ExtractNewRecordState': {
    config: { 'delete.tombstone.handling.mode': 'rewrite' },
    refused: { 'delete.tombstone.handling.mode': { 'delete.tombstone.handling.mode': 'maybe' } },
  },
  'io.debezium.transforms.ByLogicalTableRouter': {
    config: { 'topic.regex': '(.*)', 'topic.replacement': 'all' },
    refused: {
      'topic.regex': { 'topic.regex': '(', 'topic.replacement': 'all' },
      'topic.replacement': { 'topic.regex': '(.*)' },
    },
  },
  'io.debezium.connector.jdbc.transforms.CollectionNameTransformation': {
    config: { 'collection.naming.style': 'snake_case' },
    refused: { 'collection.naming.style': { 'collection.naming.style': 'kebab_case' } },
  },
  'io.debezium.connector.jdbc.transforms.FieldNameTransformation': {
    config: { 'column.naming.style': 'upper_case' },
    refused: { 'column.naming.style': { 'column.naming.style': 'kebab_case' } },
  },
  'io.debezium.connector.mysql.transforms.ReadToInsertEvent': { config: {} },
  'io.debezium.transforms.ExtractChangedRecordState': { config: { 'header.changed.name': 'changed' } },
  'io.debezium.transforms.ExtractSchemaToNewRecord': { config: {} },
  'io.debezium.transforms.HeaderToValue': {
    config: { headers: 'h', fields: 'place.h', operation: 'move' },
    refused: { operation: { headers: 'h', fields: 'h' } },
  },
  'io.debezium.transforms.SchemaChangeEventFilter': {
    config: { 'schema.change.event.exclude.list': 'DROP' },
    refused: { 'schema.change.event.exclude.list': { 'schema.change.event.exclude.list': 'drop' } },
  },
  'io.debezium.transforms.partitions.PartitionRouting': {
    config: { 'partition.payload.fields': 'change.id', 'partition.topic.num': '3' },
    refused: { 'partition.topic.num': { 'partition.payload.fields': 'id', 'partition.topic.num': '0' } },
  },
  'io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent': {
    config: { 'fields.null.include': 'true' },
    refused: { 'fields.null.include': { 'fields.null.include': 'perhaps' } },
  },
  'io.debezium.transforms.GeometryFormatTransformer': {
    config: { format: 'ewkb' },
    refused: { format: { format: 'wkt' } },
  },
  'io.debezium.transforms.SwapGeometryCoordinates': {
    config: { srids: '4326' },
    refused: { srids: { srids: 'x' } },
  },
  'io.debezium.transforms.VectorToJsonConverter': { config: {} },
  'io.debezium.transforms.TimezoneConverter': {
    config: { 'converted.timezone': 'Europe/Paris' },
    refused: {
      'converted.timezone': { 'converted.timezone': 'Mars/Base' },
      'include.list': { 'converted.timezone': 'UTC', 'include.list': 'name' },
    },
  },
  'io.debezium.transforms.outbox.EventRouter': {
    config: {},
    refused: {
      'table.op.invalid.behavior': { 'table.op.invalid.behavior': 'maybe' },
      'table.fields.additional.placement': { 'table.fields.additional.placement': 'type' },
    },
  },
  'org.apache.kafka.connect.transforms.ExtractField$Key': {
    config: { field: 'id' },
    refused: { field: {} },
  },
  'org.apache.kafka.connect.transforms.ExtractField$Value': {
    config: { field: 'place.city', 'field.syntax.version': 'V2' },
    refused: { 'field.syntax.version': { field: 'id', 'field.syntax.version': 'V3' } },
  },
  'org.apache.kafka.connect.transforms.InsertHeader': {
    config: { header: 'origin', 'value.literal': 'here' },
    refused: { header: { 'value.literal': 'here' } },
  },
  'org.apache.kafka.connect.transforms.ValueToKey': {
    config: { fields: 'id' },
    refused: { fields: {} },
  },
  'org.apache.kafka.connect.transforms.Cast$Key': {
    config: { spec: 'id:string' },
    refused: { spec: { spec: 'id:array' } },
  },
  'org.apache.kafka.connect.transforms.Cast$Value': {
    config: { spec: 'id:string' },
    refused: { spec: { spec: 'id:array' } },
  },
  'org.apache.kafka.connect.transforms.DropHeaders': {
    config: { headers: 'h' },
    refused: { headers: { headers: '' } },
  },
  'org.apache.kafka.connect.transforms.Flatten$Key': { config: { delimiter: '_' } },
  'org.apache.kafka.connect.transforms.Flatten$Value': { config: { delimiter: '_' } },
  'org.apache.kafka.connect.transforms.HeaderFrom$Key': {
    config: { fields: 'id', headers: 'id', operation: 'move' },
    refused: { operation: { fields: 'id', headers: 'id', operation: 'clone' } },
  },
  'org.apache.kafka.connect.transforms.HeaderFrom$Value': {
    config: { fields: 'id', headers: 'id', operation: 'move' },
    refused: { operation: { fields: 'id', headers: 'id', operation: 'clone' } },
  },
  'org.apache.kafka.connect.transforms.HoistField$Key': {
    config: { field: 'all' },
    refused: { field: {} },
  },
  'org.apache.kafka.connect.transforms.HoistField$Value': {
    config: { field: 'all' },
    refused: { field: {} },
  },
  'org.apache.kafka.connect.transforms.MaskField$Key': {
    config: { fields: 'id' },
    refused: { fields: { fields: '' } },
  },
  'org.apache.kafka.connect.transforms.MaskField$Value': {
    config: { fields: 'id' },
    refused: { fields: { fields: '' } },
  },
  'org.apache.kafka.connect.transforms.SetSchemaMetadata$Key': {
    config: { 'schema.name': 'new' },
    refused: { 'schema.version': { 'schema.version': 'x' } },
  },
  'org.apache.kafka.connect.transforms.SetSchemaMetadata$Value': {
    config: { 'schema.name': 'new' },
    refused: { 'schema.version': { 'schema.version': 'x' } },
  },
  'org.apache.kafka.connect.transforms.TimestampConverter$Key': {
    config: { field: 'id', 'target.type': 'unix', 'unix.precision': 'nanoseconds' },
    refused: { 'target.type': { 'target.type': 'time' } },
  },
  'org.apache.kafka.connect.transforms.TimestampConverter$Value': {
    config: { field: 'id', 'target.type': 'unix', 'unix.precision': 'nanoseconds' },
    refused: { 'target.type': { 'target.type': 'time' } },
  },
  'org.apache.kafka.connect.transforms.TimestampRouter': { config: {} },
  'org.apache.kafka.connect.transforms.Filter': { config: {} },
  'org.apache.kafka.connect.transforms.InsertField$Key': {
    config: { 'topic.field': 'topic', 'static.field': 'origin', 'static.value': 'here' },
    refused: { 'static.value': { 'static.field': 'origin' } },
  },
  'org.apache.kafka.connect.transforms.InsertField$Value': {
    config: { 'topic.field': 'topic!', 'timestamp.field': 'at' },
    refused: { 'static.value': { 'static.field': 'origin' } },
  },
  'org.apache.kafka.connect.transforms.RegexRouter': {
    config: { regex: '(\\w+)\\.(\\w+)\\.(\\w+)', replacement: '$3' },
    refused: { regex: { regex: '(', replacement: 'x' }, replacement: { regex: 'x' } },
  },
  'org.apache.kafka.connect.transforms.ReplaceField$Key': {
    config: { renames: 'id:key' },
    refused: { renames: { renames: 'id' } },
  },
  'org.apache.kafka.connect.transforms.ReplaceField$Value': {
    config: { exclude: 'place', renames: 'name:title' },
    refused: { renames: { renames: 'a:b:c' } },
  },
};

const transformations = transformPlugins.filter(({ kind }) => kind === 'transformation');

test('Every transformation is held to the suite', () => {
  expect(transformations.map(({ className }) => className).sort()).toEqual(Object.keys(SUBJECTS).sort());
});

for (const plugin of transformations) {
  const subject = SUBJECTS[plugin.className];
  if (subject) describeTransformation({ plugin, ...subject });
}
