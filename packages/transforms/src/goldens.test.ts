// Every recorded case of the transforms and predicates we have, as the real classes behaved.
import { readFileSync } from 'node:fs';
import type { ConnectRecord, Predicate, Transformation } from '@millrace/connect-api';
import { MillraceError } from '@millrace/foundation';
import { describeSchema, describeValue, GoldenValues, goldenPath } from '@millrace/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { transformPlugins } from './plugins.ts';

interface Stage {
  readonly class: string;
  readonly config: Record<string, string>;
  readonly predicate?: { class: string; config: Record<string, string> };
  readonly negate?: boolean;
}
interface GoldenError {
  readonly stage: string;
  readonly class: string;
  readonly message: string | null;
}
interface Case extends Stage {
  readonly name: string;
  readonly kind?: 'predicate';
  readonly chain?: readonly Stage[];
  readonly input?: unknown;
  readonly inputs?: readonly unknown[];
  readonly output?: unknown;
  readonly outputs?: readonly { output?: unknown; error?: GoldenError }[];
  readonly error?: GoldenError;
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(goldenPath(`transforms/${name}.json`), 'utf8'));
const goldens = new GoldenValues(read('_schemas'));
/** The day of the recordings, by their README. */
const RECORDED_ON = Date.UTC(2026, 10, 23);
const FILES = [
  'ByLogicalTableRouter',
  'Cast',
  'CollectionNameTransformation',
  'DecodeLogicalDecodingMessageContent',
  'DropHeaders',
  'EventRouter',
  'ExtractChangedRecordState',
  'ExtractField',
  'ExtractNewRecordState',
  'ExtractSchemaToNewRecord',
  'FieldNameTransformation',
  'Filter',
  'Flatten',
  'GeometryFormatTransformer',
  'HasHeaderKey',
  'HeaderFrom',
  'HeaderToValue',
  'HoistField',
  'InsertField',
  'InsertHeader',
  'MaskField',
  'PartitionRouting',
  'ReadToInsertEvent',
  'RecordIsTombstone',
  'RegexRouter',
  'ReplaceField',
  'SchemaChangeEventFilter',
  'SetSchemaMetadata',
  'SwapGeometryCoordinates',
  'TimestampConverter',
  'TimestampRouter',
  'TimezoneConverter',
  'TopicNameMatches',
  'ValueToKey',
  'VectorToJsonConverter',
];

async function create(
  className: string,
  config: Record<string, string>,
): Promise<Transformation | Predicate> {
  const plugin = await transformPlugins.find((entry) => entry.className === className)?.load();
  if (plugin?.kind !== 'transformation' && plugin?.kind !== 'predicate') throw new Error(`no ${className}`);
  const made = plugin.create();
  made.configure(config);
  return made;
}

type Apply = (record: ConnectRecord) => ConnectRecord | null | boolean;

async function stage(golden: Stage): Promise<Apply> {
  const made = await create(golden.class, golden.config);
  if ('test' in made) return (record) => made.test(record);
  const predicate = golden.predicate
    ? await create(golden.predicate.class, golden.predicate.config)
    : undefined;
  return (record) => {
    if (predicate && 'test' in predicate && predicate.test(record) === (golden.negate ?? false))
      return record;
    return made.apply(record);
  };
}

async function chain(golden: Case): Promise<Apply> {
  const stages = await Promise.all((golden.chain ?? [golden]).map(stage));
  return (record) => {
    let current: ConnectRecord | null = record;
    for (const apply of stages) {
      if (current === null) return null;
      const next = apply(current);
      if (typeof next === 'boolean') return next;
      current = next;
    }
    return current;
  };
}

function describeRecord(record: ConnectRecord | null | boolean): unknown {
  if (record === null || typeof record === 'boolean') return record;
  return {
    topic: record.topic,
    partition: record.kafkaPartition,
    timestamp: record.timestamp,
    key: { schema: describeSchema(record.keySchema), value: describeValue(record.keySchema, record.key) },
    value: {
      schema: describeSchema(record.valueSchema),
      value: describeValue(record.valueSchema, record.value),
    },
    headers: record.headers.map((header) => [
      header.key,
      describeSchema(header.schema),
      describeValue(header.schema, header.value),
    ]),
  };
}

/** Texts that hold an object hash or the Java runtime's own wording: the class and the fact of failing count. */
const OWN_WORDING =
  /@[0-9a-f]{6,}|Cannot (?:invoke|read)|cannot be cast|IllegalArgument|JsonParseException|Struct schemas do not match/;

function expectError(thrown: unknown, golden: GoldenError): void {
  expect(thrown).toBeInstanceOf(MillraceError);
  if (golden.message === null || OWN_WORDING.test(golden.message)) return;
  const { javaClass, message } = thrown as MillraceError;
  expect({ class: javaClass, message }).toEqual({ class: golden.class, message: golden.message });
}

/** Cases we answer differently on purpose, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'ExtractNewRecordState/add.fields whole struct source':
    'Debezium fails on an inner schema mismatch; ours adds the struct',
  'DecodeLogicalDecodingMessageContent/tombstone': 'Debezium fails on every tombstone; ours lets it pass',
  'HeaderToValue/schemaless': 'a map without schema is a HashMap here, as the JSON converter gives it',
  'ExtractField/schemaless not a map':
    'without a schema an integer has no width here: it is java.lang.Long, as JSON gives it',
};

for (const file of FILES) {
  describe(file, () => {
    // TimezoneConverter takes today's offset for times without a day.
    beforeEach(() => vi.useFakeTimers({ now: RECORDED_ON, toFake: ['Date'] }));
    afterEach(() => vi.useRealTimers());
    const cases = read(file) as Case[];
    test('has cases', () => expect(cases.length).toBeGreaterThan(0));
    for (const [i, golden] of cases.entries()) {
      if (DIFFERENT[`${file}/${golden.name}`] !== undefined) continue;
      test(`${i} ${golden.name}`, async () => {
        if (golden.error?.stage === 'configure') {
          await chain(golden).then(
            () => expect.unreachable('configure should have failed'),
            (thrown: unknown) => expectError(thrown, golden.error as GoldenError),
          );
          return;
        }
        const apply = await chain(golden);
        const inputs = golden.inputs ?? [golden.input];
        const outputs = golden.outputs ?? [golden];
        for (const [n, input] of inputs.entries()) {
          const expected = outputs[n];
          if (!expected) throw new Error('more inputs than outputs');
          if (expected.error) {
            let thrown: unknown;
            try {
              apply(goldens.record(input));
            } catch (error) {
              thrown = error;
            }
            expectError(thrown, expected.error);
            continue;
          }
          const result = describeRecord(apply(goldens.record(input)));
          const { output } = expected;
          expect(result).toEqual(
            output === null || typeof output === 'boolean' ? output : describeRecord(goldens.record(output)),
          );
        }
      });
    }
  });
}
