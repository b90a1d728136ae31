import {
  ArrayStruct,
  arraySchema,
  BigDecimal,
  BOOLEAN,
  BYTES,
  decimalSchema,
  envelopeSchema,
  FLOAT32,
  FLOAT64,
  INT16,
  INT32,
  INT64,
  mapSchema,
  optional,
  STRING,
  structSchema,
} from '@millrace/data';
import { type ConverterSubject, describeConverter } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { converterPlugins } from './plugins.ts';

type Subject = Omit<ConverterSubject, 'plugin'>;

const ROW = structSchema(
  [
    ['id', INT64],
    ['name', optional(STRING)],
    ['price', decimalSchema(2)],
    ['tags', arraySchema(STRING)],
    ['counts', mapSchema(STRING, INT32)],
  ],
  { name: 'Row' },
);
const NOTHING = { schema: null, value: null };
const fixed = (schema: Subject['values'][string]['schema'], ...values: unknown[]): Subject => ({
  config: {},
  values: {
    nothing: NOTHING,
    ...Object.fromEntries(values.map((value) => [`the value ${String(value)}`, { schema, value }])),
  },
});
const PACKAGE = 'org.apache.kafka.connect.converters';

const ID = structSchema([['id', INT32]], { name: 'Row', optional: true });
const SOURCE = structSchema([
  ['connector', STRING],
  ['name', STRING],
  ['ts_ms', INT64],
  ['file', STRING],
  ['pos', INT64],
]);
const EVENT_SCHEMA = envelopeSchema('s.t.Envelope', ID, SOURCE);
const EVENT = ArrayStruct.of(EVENT_SCHEMA, {
  after: new ArrayStruct(ID, [7]),
  source: ArrayStruct.of(SOURCE, {
    connector: 'mysql',
    name: 's',
    ts_ms: 1_700_000_000_123,
    file: 'f',
    pos: 4,
  }),
  op: 'c',
});
const EVENT_READ = new Map<string, unknown>([
  ['id', 'name:s;file:f;pos:4'],
  ['source', '/debezium/mysql/s'],
  ['specversion', '1.0'],
  ['type', 'io.debezium.connector.mysql.DataChangeEvent'],
  ['time', '2023-11-14T22:13:20.123Z'],
  ['datacontenttype', 'application/json'],
  [
    'data',
    new Map<string, unknown>([
      ['before', null],
      ['after', new Map([['id', 7]])],
    ]),
  ],
]);

const bytes = fixed(BYTES, Buffer.from([0, 255, 10]), Buffer.alloc(0));

const SUBJECTS: Readonly<Record<string, Subject>> = {
  [`${PACKAGE}.BooleanConverter`]: fixed(BOOLEAN, true, false),
  [`${PACKAGE}.ByteArrayConverter`]: bytes,
  [`${PACKAGE}.DoubleConverter`]: fixed(FLOAT64, -1.5, 1e300),
  [`${PACKAGE}.FloatConverter`]: fixed(FLOAT32, 0.5, -8),
  [`${PACKAGE}.IntegerConverter`]: fixed(INT32, -2_147_483_648, 7),
  [`${PACKAGE}.LongConverter`]: fixed(INT64, 9_223_372_036_854_775_807n, -1),
  [`${PACKAGE}.ShortConverter`]: fixed(INT16, -32_768, 32_767),
  'io.debezium.converters.BinaryDataConverter': bytes,
  'io.debezium.converters.ByteArrayConverter': bytes,
  'io.debezium.converters.CloudEventsConverter': {
    config: { 'extension.attributes.enable': 'false', 'json.schemas.enable': 'false' },
    values: {
      nothing: NOTHING,
      'what is no change event, as nothing': { schema: STRING, value: 'x', read: null },
      'a change event': { schema: EVENT_SCHEMA, value: EVENT, read: EVENT_READ },
    },
  },
  'org.apache.kafka.connect.json.JsonConverter': {
    config: { 'schemas.enable': 'true' },
    values: {
      nothing: NOTHING,
      'a row': {
        schema: ROW,
        value: ArrayStruct.of(ROW, {
          id: 9_007_199_254_740_993n,
          name: 'Ünïcode "quoted" \n 😀',
          price: new BigDecimal(-12_345n, 2),
          tags: ['a', ''],
          counts: new Map([['x', 1]]),
        }),
      },
      'an empty text': { schema: STRING, value: '' },
      'a map without schema': {
        schema: null,
        value: new Map<string, unknown>([
          ['id', 9_007_199_254_740_993n],
          ['list', [1, 'two', null, true]],
        ]),
      },
    },
  },
  'org.apache.kafka.connect.storage.StringConverter': {
    config: {},
    values: {
      nothing: NOTHING,
      'a text': { schema: STRING, value: 'Ünïcode 😀' },
      'a number, as text': { schema: INT64, value: 9_007_199_254_740_993n, read: '9007199254740993' },
    },
  },
};

const converters = converterPlugins.filter(({ kind }) => kind === 'converter');

test('Every converter is held to the suite', () => {
  expect(converters.map(({ className }) => className).sort()).toEqual(Object.keys(SUBJECTS).sort());
});

for (const plugin of converters) {
  const subject = SUBJECTS[plugin.className];
  if (subject) describeConverter({ plugin, ...subject });
}
