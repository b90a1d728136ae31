// Every recorded converter case of the classes we have, as the real classes behaved.
import { readFileSync } from 'node:fs';
import type { Converter, HeaderConverter, Plugin } from '@millrace/connect-api';
import { ByteWriter, parseJson, type SchemaAndValue } from '@millrace/data';
import { MillraceError } from '@millrace/foundation';
import { describeSchema, describeValue, GoldenValues, goldenPath } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { JsonConverter } from './json/json-converter.ts';
import { converterPlugins } from './plugins.ts';

type Bytes = { text: string } | { base64: string } | null;
interface Case {
  readonly name: string;
  readonly class: string;
  readonly config: Record<string, string>;
  readonly op: 'fromConnectData' | 'toConnectData' | 'fromConnectHeader' | 'toConnectHeader';
  readonly isKey?: boolean;
  readonly topic?: string;
  /** As JSON with schemas. */
  readonly headers?: readonly { readonly key: string; readonly bytes: Bytes }[];
  readonly input: unknown;
  readonly output?: unknown;
  readonly error?: { stage: string; class: string; message: string };
}

const read = (name: string): unknown => JSON.parse(readFileSync(goldenPath(`converters/${name}`), 'utf8'));
const goldens = new GoldenValues(read('_schemas.json'));
const FILES = [
  'ByteArrayConverter',
  'CloudEventsConverter',
  'DebeziumByteConverters',
  'JsonConverter',
  'NumberConverters',
  'SimpleHeaderConverter',
  'StringConverter',
];

function toBytes(json: Bytes): Buffer | null {
  if (json === null) return null;
  return 'text' in json ? Buffer.from(json.text, 'utf8') : Buffer.from(json.base64, 'base64');
}

/** Bytes as text that a failing test can show. */
function shown(bytes: Buffer | null): string | null {
  return bytes && bytes.toString('latin1');
}

async function load(className: string, kind: 'converter' | 'header_converter'): Promise<Plugin> {
  const entry = converterPlugins.find((plugin) => plugin.className === className && plugin.kind === kind);
  if (!entry) throw new Error(`no ${kind} ${className}`);
  return entry.load();
}

async function run(golden: Case): Promise<Buffer | null | SchemaAndValue> {
  const header = golden.op.endsWith('Header');
  const plugin = await load(golden.class, header ? 'header_converter' : 'converter');
  const topic = golden.topic ?? 't';
  if (plugin.kind === 'header_converter') {
    const converter: HeaderConverter = plugin.create();
    converter.configure(golden.config);
    if (golden.op === 'toConnectHeader')
      return converter.readHeader(topic, 'h', toBytes(golden.input as Bytes));
    const { schema, value } = golden.input as { schema: unknown; value: unknown };
    const built = goldens.schema(schema);
    return converter.writeHeader(topic, 'h', built, goldens.value(built, value));
  }
  if (plugin.kind !== 'converter') throw new Error('not a converter');
  const converter: Converter = plugin.create();
  converter.configure(golden.config, golden.isKey ?? false);
  if (golden.op === 'toConnectData') return converter.read(topic, [], toBytes(golden.input as Bytes));
  const { schema, value } = golden.input as { schema: unknown; value: unknown };
  const built = goldens.schema(schema);
  const out = new ByteWriter(8);
  const headers = (golden.headers ?? []).map(({ key, bytes }) => ({ key, ...headerValue(bytes) }));
  return converter.write(topic, headers, built, goldens.value(built, value), out) ? out.copyFrom() : null;
}

function headerValue(bytes: Bytes): SchemaAndValue {
  const json = new JsonConverter();
  json.configure({ 'schemas.enable': 'true' });
  return json.readHeader('t', 'h', toBytes(bytes));
}

/** Cases we answer differently on purpose, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'CloudEventsConverter/metadata from header': 'Java throws a NullPointerException; ours gives no bytes',
  'CloudEventsConverter/id and type from headers':
    'Debezium reads headers back as JSON with schemas; ours has their values',
  'JsonConverter/read struct default': 'Java cannot read the struct defaults it writes; ours can',
  'SimpleHeaderConverter/read null': 'Java throws a NullPointerException; ours gives null',
};

for (const file of FILES) {
  describe(file, () => {
    const cases = read(`${file}.json`) as Case[];
    test('has cases', () => expect(cases.length).toBeGreaterThan(0));
    for (const [i, golden] of cases.entries()) {
      if (DIFFERENT[`${file}/${golden.name}`] !== undefined) continue;
      test(`${i} ${golden.name}`, async () => {
        if (golden.error) {
          const error = await run(golden).then(
            () => new Error('expected an error'),
            (thrown: unknown) => thrown,
          );
          expect(error).toBeInstanceOf(MillraceError);
          const { javaClass, message } = error as MillraceError;
          expect({ class: javaClass, message }).toEqual({
            class: golden.error.class,
            message: golden.error.message,
          });
          return;
        }
        const result = await run(golden);
        if (golden.op.startsWith('from')) {
          const expected = toBytes(golden.output as Bytes);
          expect(shown(result as Buffer | null)).toEqual(shown(expected));
          return;
        }
        const { schema, value } = golden.output as { schema: unknown; value: unknown };
        const built = goldens.schema(schema);
        const found = result as SchemaAndValue;
        expect({
          schema: describeSchema(found.schema),
          value: describeValue(found.schema, found.value),
        }).toEqual({
          schema: describeSchema(built),
          value: describeValue(built, goldens.value(built, value)),
        });
      });
    }
  });
}

test('the reader keeps what JSON.parse would lose', () => {
  expect(parseJson('12345678901234567890')).toBe(12345678901234567890n);
});
