// Types of random columns, with random values of each as SQL literals: the ordinary, the edges, and what has its own
// spelling in JSON.
import type { SeededRandom } from '@millrace/testkit';

export interface ColumnKind {
  /** As in CREATE TABLE. */
  readonly type: string;
  /** A literal without a cast; never null. */
  readonly value: (random: SeededRandom) => string;
  /** Expressions for DEFAULT. */
  readonly defaults?: readonly string[];
  /** A distinct value for each number from 0, for keys. */
  readonly key?: (n: number) => string;
  /** Types that a column can be changed to, whatever it holds. */
  readonly retypes?: readonly string[];
  /** Some values become null, or the missing one does: Debezium's task fails where such a column is NOT NULL. */
  readonly maybeNull?: boolean;
  /** Values that are stored out of line where the storage is `external`. */
  readonly large?: (random: SeededRandom) => string;
}

/** What the columns below are made of. */
export const TYPES_SQL = `
create extension hstore; create extension citext; create extension ltree; create extension isn;
create type mood as enum ('sad', 'ok go', 'c''est');
create domain small as smallint check (value > -1000);
create domain label as varchar(12);
create domain smaller as small;
create type pair as (a int, b text);`;

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The same literals, each as likely. */
function oneOf(...texts: readonly [string, ...string[]]): (random: SeededRandom) => string {
  return (random) => quoted(random.pick(texts));
}

const pad = (n: number, length: number): string => String(n).padStart(length, '0');

const WORDS: readonly [string, ...string[]] = [
  '',
  'a',
  'plain text',
  "it's",
  'say "yes"',
  'back\\slash',
  'two\nlines',
  'tab\there',
  'é ü ß',
  '日本',
  '😀 smile',
  '\u0001\u001f',
  '\u007f\u0080',
  '\u2028\u2029',
  '</script>',
  '{"not": "json"}',
  'NULL',
  'null',
  ' spaces ',
  '__debezium',
];
const text = (random: SeededRandom): string =>
  quoted(
    random.next() < 0.7
      ? random.pick(WORDS)
      : `${random.pick(WORDS)} ${random.int(0, 1e6)} ${random.pick(WORDS)}`,
  );
const shortText = (length: number) => (random: SeededRandom) => {
  const word = Array.from(random.pick(WORDS)).slice(0, length).join('');
  return quoted(word);
};
const integer = (min: string, max: string, range: number) => (random: SeededRandom) =>
  random.next() < 0.2 ? `'${random.pick(['0', min, max, '-1'])}'` : `'${random.int(-range, range)}'`;

function decimal(random: SeededRandom, whole: number, scale: number): string {
  const digits = pad(random.int(0, 10 ** Math.min(whole, 9) - 1), 1);
  const fraction =
    scale === 0 ? '' : `.${pad(random.int(0, 10 ** Math.min(scale, 9) - 1), Math.min(scale, 9))}`;
  return `'${random.next() < 0.4 ? '-' : ''}${digits}${fraction}'`;
}

function float(random: SeededRandom, decimals: number): string {
  if (random.next() < 0.25)
    return quoted(
      random.pick([
        '0',
        '-0',
        'NaN',
        'Infinity',
        '-Infinity',
        '1',
        '-1.5',
        '0.1',
        '100',
        '1e7',
        '1e-3',
        '12345678',
      ]),
    );
  const value = (random.next() - 0.5) * 10 ** random.int(-12, 20);
  return `'${value.toPrecision(random.int(1, decimals))}'`;
}

const dayBetween = (random: SeededRandom, first: number, last: number): string =>
  `${pad(random.int(first, last), 4)}-${pad(random.int(1, 12), 2)}-${pad(random.int(1, 28), 2)}`;
/** Within what nanoseconds of 64 bits reach. */
const day = (random: SeededRandom): string => dayBetween(random, 1700, 2250);
function clock(random: SeededRandom): string {
  const fraction = random.pick([
    '',
    '.5',
    '.123',
    '.000001',
    '.999999',
    `.${pad(random.int(0, 999_999), 6)}`,
  ]);
  return `${pad(random.int(0, 23), 2)}:${pad(random.int(0, 59), 2)}:${pad(random.int(0, 59), 2)}${fraction}`;
}
const ZONES: readonly [string, ...string[]] = ['Z', '+00', '-08', '+05:30', '+14', '-12'];
const farTimestamp = (random: SeededRandom): string => `${dayBetween(random, 1, 9999)} ${clock(random)}`;
const timestamp = (random: SeededRandom): string => `${day(random)} ${clock(random)}`;
const uuid = (random: SeededRandom): string => {
  const hex = random.bytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};
const JSONS: readonly [string, ...string[]] = [
  '{}',
  '[]',
  'null',
  '1',
  '"text"',
  '{"a": 1, "b": [true, null, 1.50]}',
  '{"b":1,"a":{"é":"😀"}}',
  '[1, 2.0, 1e3]',
  '{"a": 1, "a": 2}',
  ' {"space" : 1 } ',
];
const bits = (random: SeededRandom, length: number): string =>
  `B'${Array.from({ length }, () => random.int(0, 1)).join('')}'`;
const long = (random: SeededRandom): string => `repeat(md5('${random.int(0, 1e9)}'), ${random.int(80, 160)})`;

/** An array of elements of a kind, some of them null. */
function arrayOf(kind: Pick<ColumnKind, 'type' | 'value'>, nulls = 0.15): ColumnKind {
  return {
    type: `${kind.type}[]`,
    value: (random) => {
      const elements = Array.from({ length: random.int(0, 4) }, () =>
        random.next() < nulls ? 'null' : `${kind.value(random)}::${kind.type}`,
      );
      return `array[${elements.join(', ')}]::${kind.type}[]`;
    },
  };
}

const int2: ColumnKind = {
  type: 'smallint',
  value: integer('-32768', '32767', 32767),
  defaults: ['7', '-1'],
  key: (n) => String(n - 32768),
  retypes: ['integer', 'bigint', 'numeric(12,2)', 'text'],
};
const int4: ColumnKind = {
  type: 'integer',
  value: integer('-2147483648', '2147483647', 1e9),
  defaults: ['0', '42'],
  key: (n) => String(n * 3 - 5),
  retypes: ['bigint', 'text', 'numeric', 'float8'],
};
const int8: ColumnKind = {
  type: 'bigint',
  value: integer('-9223372036854775808', '9223372036854775807', 9e15),
  defaults: ['9007199254740993', '-5'],
  key: (n) => `'${9007199254740990n + BigInt(n)}'`,
  retypes: ['text', 'numeric(25,3)'],
};
const numeric: ColumnKind = {
  type: 'numeric',
  value: (r) =>
    r.next() < 0.2
      ? quoted(r.pick(['0', '0.00', '1000', '1e20', '1e-10', '-12345678901234567890.123456789']))
      : decimal(r, 9, r.int(0, 9)),
  defaults: ['1.50'],
  key: (n) => `'${n}.5'`,
  retypes: ['text'],
};
const numeric2: ColumnKind = {
  type: 'numeric(10,2)',
  value: (r) => decimal(r, 8, 2),
  defaults: ['0', '1.5', '-2.25'],
  key: (n) => `'${n}.25'`,
  retypes: ['numeric(14,4)', 'text', 'numeric'],
};
const varchar: ColumnKind = {
  type: 'varchar(20)',
  value: shortText(20),
  defaults: ["'it''s'", "''", "'a b'"],
  key: (n) => `'key ${n}'`,
  retypes: ['text', 'varchar(40)', 'varchar'],
};
const textKind: ColumnKind = {
  type: 'text',
  value: text,
  defaults: ["'x'", "'multi word'", "md5('a')"],
  key: (n) => `'k"${n}é'`,
  retypes: ['varchar'],
  large: long,
};
const bool: ColumnKind = {
  type: 'boolean',
  value: oneOf('t', 'f'),
  defaults: ['true', 'false'],
  retypes: ['text'],
};
const real: ColumnKind = { type: 'real', value: (r) => float(r, 8), defaults: ['1.5'], retypes: ['float8'] };
const double: ColumnKind = {
  type: 'float8',
  value: (r) => float(r, 17),
  defaults: ['0.1'],
  retypes: ['text'],
};
const bytea: ColumnKind = {
  type: 'bytea',
  value: (r) => `'\\x${r.bytes(r.int(0, 40)).toString('hex')}'`,
  large: (r) => `decode(repeat(md5('${r.int(0, 1e9)}'), ${r.int(150, 300)}), 'hex')`,
};
const date: ColumnKind = {
  type: 'date',
  value: (r) => quoted(day(r)),
  defaults: ["'2020-02-29'", 'current_date'],
  key: (n) => `date '2000-01-01' + ${n}`,
  retypes: ['timestamp', 'text'],
};
const time: ColumnKind = {
  type: 'time',
  value: (r) => quoted(r.next() < 0.1 ? r.pick(['00:00', '24:00:00', '23:59:59.999999']) : clock(r)),
  defaults: ["'12:34:56'"],
  retypes: ['text'],
};
const timestampKind: ColumnKind = {
  type: 'timestamp',
  value: (r) => quoted(timestamp(r)),
  defaults: ["'2020-01-02 03:04:05.678'", 'now()'],
  key: (n) => `timestamp '2020-01-01' + ${n} * interval '1.001 s'`,
  // Under time.precision.mode=nanoseconds.
  maybeNull: true,
  retypes: ['text', 'timestamp(3)'],
};
const timestamptz: ColumnKind = {
  type: 'timestamptz',
  value: (r) => quoted(timestamp(r) + r.pick(ZONES)),
  defaults: ["'2020-01-02 03:04:05+02'", 'now()'],
  key: (n) => `timestamptz '2020-01-01Z' + ${n} * interval '1 h'`,
  retypes: ['text'],
};
const timetz: ColumnKind = {
  type: 'timetz',
  value: (r) => quoted(clock(r) + r.pick(ZONES)),
  defaults: ["'12:34:56+02'"],
};
const uuidKind: ColumnKind = {
  type: 'uuid',
  value: (r) => quoted(uuid(r)),
  defaults: ["'00000000-0000-0000-0000-000000000001'", 'gen_random_uuid()'],
  key: (n) => `'00000000-0000-4000-8000-${pad(n, 12)}'`,
  retypes: ['text'],
};
const json: ColumnKind = {
  type: 'json',
  value: (r) => quoted(r.pick(JSONS)),
  defaults: ["'{}'"],
  retypes: ['text'],
};
const jsonb: ColumnKind = {
  type: 'jsonb',
  value: (r) => quoted(r.pick(JSONS)),
  defaults: [`'{"a": 1}'`],
  retypes: ['text'],
  large: (r) => `jsonb_build_object('big', ${long(r)})`,
};
const inet: ColumnKind = {
  type: 'inet',
  value: oneOf('192.168.0.1', '10.0.0.0/8', '::1', '2001:db8::/32', '::ffff:1.2.3.4'),
};
const mood: ColumnKind = {
  type: 'mood',
  value: oneOf('sad', 'ok go', "c'est"),
  defaults: ["'sad'"],
  retypes: ['text'],
};
const interval: ColumnKind = {
  type: 'interval',
  value: oneOf(
    '1 day',
    '0',
    '-3 days 04:05:06.789',
    '1 year 2 months',
    '100 years -5 mons 10.000001 s',
    '-1 s',
    '999999 h',
  ),
  defaults: ["'1 day'"],
};
const tsvector: ColumnKind = { type: 'tsvector', value: oneOf('', 'a', "'fat' 'cat':3A,5 'x''y'") };
const macaddr: ColumnKind = { type: 'macaddr', value: oneOf('08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff') };

export const COLUMN_KINDS: readonly [ColumnKind, ...ColumnKind[]] = [
  int4,
  int2,
  int8,
  numeric,
  numeric2,
  varchar,
  textKind,
  bool,
  real,
  double,
  bytea,
  date,
  time,
  timestampKind,
  timestamptz,
  timetz,
  uuidKind,
  json,
  jsonb,
  inet,
  mood,
  interval,
  tsvector,
  macaddr,
  {
    type: 'numeric(5,0)',
    value: (r) => decimal(r, 5, 0),
    defaults: ['3'],
    retypes: ['numeric(9,1)', 'integer'],
  },
  { type: 'numeric(38,10)', value: (r) => decimal(r, 9, 9), defaults: ['1.0000000001'] },
  { type: 'money', value: (r) => decimal(r, 9, 2) },
  { type: 'oid', value: (r) => `'${r.pick([0, 1, 4294967295, 123456])}'` },
  { type: 'bit', value: (r) => bits(r, 1) },
  { type: 'bit(11)', value: (r) => bits(r, 11) },
  { type: 'varbit(20)', value: (r) => bits(r, r.int(0, 20)), maybeNull: true },
  { type: 'varbit', value: (r) => bits(r, r.int(1, 70)) },
  {
    type: 'char(5)',
    value: shortText(5),
    defaults: ["'ab'"],
    key: (n) => `'${pad(n, 5)}'`,
    retypes: ['text'],
  },
  { type: 'varchar', value: text, defaults: ["'y'"], key: (n) => `'v${n}'`, retypes: ['text'], large: long },
  { type: '"char"', value: oneOf('a', 'b', '') },
  { type: 'name', value: shortText(60), defaults: ["'n'"], maybeNull: true },
  { type: 'citext', value: text, key: (n) => `'Ci${n}'` },
  { type: 'ltree', value: oneOf('', 'a', 'Top.Science.Astronomy') },
  { type: 'isbn', value: oneOf('978-0-393-04002-9', '0-393-04002-X') },
  { type: 'cidr', value: oneOf('10.0.0.0/8', '192.168.1.0/24', '::/0') },
  { type: 'macaddr8', value: oneOf('08:00:2b:01:02:03:04:05', '08002b:0102030405') },
  { type: 'xml', value: oneOf('<a/>', '<a b="1">é &amp; x</a>', 'text only') },
  { type: 'time(3)', value: (r) => quoted(clock(r)), defaults: ["'01:02:03.004'"] },
  { type: 'time(0)', value: (r) => quoted(clock(r)) },
  {
    type: 'timestamp(3)',
    value: (r) => quoted(timestamp(r)),
    defaults: ["'1999-12-31 23:59:59.999'"],
    retypes: ['timestamp'],
    maybeNull: true,
  },
  { type: 'timestamp(0)', value: (r) => quoted(farTimestamp(r)), maybeNull: true },
  { type: 'date', value: (r) => quoted(dayBetween(r, 1, 9999)) },
  {
    type: 'timestamptz(3)',
    value: (r) => quoted(timestamp(r) + r.pick(ZONES)),
    defaults: ['now()'],
    retypes: ['timestamptz'],
  },
  { type: 'timestamptz(0)', value: (r) => quoted(timestamp(r) + r.pick(ZONES)) },
  { type: 'int4range', value: oneOf('empty', '[1,5)', '(,)', '[3,]') },
  { type: 'int8range', value: oneOf('[1,9007199254740993)', '(,0)') },
  { type: 'numrange', value: oneOf('[1.5,2.50]', '(,0)') },
  { type: 'tsrange', value: oneOf('[2020-01-01 00:00,2020-01-02 12:00)', 'empty') },
  { type: 'tstzrange', value: oneOf('[2020-01-01 00:00+02,)', 'empty'), maybeNull: true },
  { type: 'daterange', value: oneOf('[2020-01-01,2020-01-31]', '(,)') },
  {
    type: 'hstore',
    value: oneOf('', 'a=>1', 'a=>null, "b c"=>"d\\"e"', 'é=>😀'),
    large: (r) => `hstore('big', ${long(r)})`,
  },
  { type: 'point', value: oneOf('(1.5,-2.25)', '(0,0)', '(1e20,-1e-7)') },
  { type: 'box', value: oneOf('(3,4),(1,2)') },
  { type: 'circle', value: oneOf('<(1,2),3>') },
  { type: 'pair', value: oneOf('(1,x)', '(,)') },
  { type: 'small', value: (r) => `'${r.int(-999, 999)}'`, defaults: ['5'] },
  { type: 'smaller', value: (r) => `'${r.int(-999, 999)}'`, defaults: ['6'] },
  { type: 'label', value: shortText(12), defaults: ["'lbl'"] },
  { type: 'jsonpath', value: oneOf('$."a"') },
  { type: 'pg_lsn', value: oneOf('16/B374D848') },
  ...[
    int2,
    int4,
    int8,
    numeric,
    numeric2,
    textKind,
    varchar,
    bool,
    real,
    double,
    date,
    timestampKind,
    timestamptz,
    uuidKind,
    json,
    jsonb,
    bytea,
    inet,
    time,
    timetz,
    macaddr,
  ].map((kind) => ({ ...arrayOf(kind), maybeNull: kind === numeric2 })),
  { ...arrayOf(mood, 0.02), maybeNull: true },
  arrayOf(tsvector, 0),
  arrayOf({ type: 'timestamp', value: (r) => quoted(farTimestamp(r)) }),
  { ...arrayOf({ type: 'text', value: text }), large: (r) => `array[${long(r)}, ${long(r)}]` },
  {
    ...arrayOf({ type: 'integer', value: int4.value }),
    large: (r) => `(select array_agg(i * ${r.int(1, 9)}) from generate_series(1, 1500) i)`,
  },
];

/** Kinds that keys are made of. */
export const KEY_KINDS: readonly ColumnKind[] = COLUMN_KINDS.filter(({ key }) => key !== undefined);
