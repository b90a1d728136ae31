// What every transformation has to keep, as tests: it changes copies, never what it is given; gives one schema object
// for one schema object, or whatever is compiled per schema is compiled per record; and takes every kind of record,
// or refuses it with an error of its own.
import {
  type ConnectRecord,
  type PluginEntry,
  SinkRecord,
  SourceRecord,
  type Transformation,
  type TransformationPlugin,
} from '@millrace/connect-api';
import { ArrayStruct, INT64, optional, STRING, structSchema } from '@millrace/data';
import { MillraceError, type RawConfig } from '@millrace/foundation';
import { describe, expect, test } from 'vitest';
import { describeSchema, describeValue } from '../golden-values.ts';

export interface TransformationSubject {
  readonly plugin: PluginEntry;
  /** A config that works; its fields may be those of the suite's records: `id`, `name`, `place`. */
  readonly config: RawConfig;
  /** Configs that are refused, by the key that the error names. */
  readonly refused?: Readonly<Record<string, RawConfig>>;
}

const PLACE = structSchema([['city', optional(STRING)]], { name: 'Place', optional: true });
const KEY = structSchema([['id', INT64]], { name: 'Key' });
const VALUE = structSchema(
  [
    ['id', INT64],
    ['name', optional(STRING)],
    ['place', PLACE],
  ],
  { name: 'Value' },
);

/** Records of every kind, made anew. */
function records(): Readonly<Record<string, ConnectRecord>> {
  const id = 9_007_199_254_740_993n;
  const key = ArrayStruct.of(KEY, { id });
  const place = ArrayStruct.of(PLACE, { city: 'Ulm' });
  const value = ArrayStruct.of(VALUE, { id, name: 'Ada', place });
  const map = new Map<string, unknown>([
    ['id', id],
    ['name', 'Ada'],
    ['place', new Map([['city', 'Ulm']])],
  ]);
  const source = { sourcePartition: { server: 'a' }, sourceOffset: { at: 1 }, topic: 'a.b.c', timestamp: 5 };
  const headers = [{ key: 'h', schema: STRING, value: 'x' }];
  return {
    'a record with schemas': new SourceRecord({
      ...source,
      keySchema: KEY,
      key,
      valueSchema: VALUE,
      value,
      headers,
    }),
    'a record without schemas': new SourceRecord({ ...source, key: new Map([['id', id]]), value: map }),
    'a record without a key': new SourceRecord({ ...source, valueSchema: VALUE, value }),
    'a tombstone': new SourceRecord({ ...source, keySchema: KEY, key }),
    'a record with nothing in it': new SourceRecord(source),
    'a record of texts': new SourceRecord({
      ...source,
      keySchema: STRING,
      key: 'k',
      valueSchema: STRING,
      value: 'v',
    }),
    'a record of a sink': new SinkRecord({
      topic: 'a.b.c',
      kafkaPartition: 3,
      kafkaOffset: 7,
      keySchema: KEY,
      key,
      valueSchema: VALUE,
      value,
      headers,
      timestamp: 5,
      timestampType: 'CreateTime',
    }),
  };
}

/** Everything there is to a record, as text. */
function textOf(record: ConnectRecord): string {
  return JSON.stringify([
    record.topic,
    record.kafkaPartition,
    describeSchema(record.keySchema),
    describeValue(record.keySchema, record.key),
    describeSchema(record.valueSchema),
    describeValue(record.valueSchema, record.value),
    record.headers.map((header) => [header.key, describeValue(header.schema, header.value)]),
    record.timestamp,
  ]);
}

/** Registers the suite for one transformation. */
export function describeTransformation(subject: TransformationSubject): void {
  const { plugin: entry, config, refused = {} } = subject;
  describe(`${entry.className} as a transformation`, () => {
    async function load(): Promise<TransformationPlugin> {
      const plugin = await entry.load();
      if (plugin.kind !== 'transformation') throw new Error(`${entry.className} is a ${plugin.kind}`);
      return plugin;
    }
    async function configured(): Promise<Transformation> {
      const transformation = (await load()).create();
      transformation.configure(config);
      return transformation;
    }

    test('The manifest names class and version, and says what each key is for', async () => {
      const plugin = await load();
      expect(plugin.className).toBe(entry.className);
      expect(plugin.version).not.toBe('');
      for (const key of plugin.configDef.keys.values()) expect(key.doc, key.name).not.toBe('');
    });

    test.each(Object.entries(refused))('A bad %s is refused by its name', async (key, bad) => {
      const transformation = (await load()).create();
      const problems = (await load()).configDef.parse(bad).problems.map((problem) => problem.key);
      if (problems.length > 0) expect(problems).toContain(key);
      let refusal: unknown;
      try {
        transformation.configure(bad);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toMatchObject({ code: 'config.invalid' });
      const { message, configKey, hint } = refusal as MillraceError;
      expect([message, configKey, hint].join('\n')).toContain(key);
    });

    test.each(Object.keys(records()))(
      '%s is changed in a copy, or passed, dropped or refused',
      async (kind) => {
        const transformation = await configured();
        const record = records()[kind] as ConnectRecord;
        const before = textOf(record);
        let result: ConnectRecord | null = null;
        try {
          result = transformation.apply(record);
        } catch (error) {
          expect(error).toBeInstanceOf(MillraceError);
          expect((error as MillraceError).message).not.toBe('');
        }
        expect(textOf(record)).toBe(before);
        if (result === null) return;
        expect(result.constructor).toBe(record.constructor);
        if (record instanceof SourceRecord && result instanceof SourceRecord) {
          // Offsets are grouped by the identity of the partition.
          expect(result.sourcePartition).toBe(record.sourcePartition);
          expect(result.sourceOffset).toBe(record.sourceOffset);
        }
        if (record instanceof SinkRecord && result instanceof SinkRecord)
          expect([result.kafkaOffset, result.original]).toEqual([record.kafkaOffset, record.original]);
      },
    );

    test('Equal records come out equal, with the same schema objects', async () => {
      const transformation = await configured();
      const [first, second] = [records(), records()].map((each) =>
        transformation.apply(each['a record with schemas'] as ConnectRecord),
      );
      expect(first === null ? null : textOf(first as ConnectRecord)).toBe(
        second === null ? null : textOf(second as ConnectRecord),
      );
      expect(second?.keySchema).toBe(first?.keySchema);
      expect(second?.valueSchema).toBe(first?.valueSchema);
    });

    test('Closing it twice does no harm', async () => {
      const transformation = await configured();
      transformation.close?.();
      transformation.close?.();
    });
  });
}
