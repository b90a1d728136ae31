// Defaults as the server prints them, and what Debezium 3.6.2 showed for them in the schema (Postgres 15.18).
import { BigDecimal } from '@millrace/data';
import { describe, expect, test } from 'vitest';
import { TypeCatalog } from './catalog.ts';
import { defaultValueOf } from './default-value.ts';
import type { MappingModes } from './mapping.ts';
import { mapType, resolveType } from './type-mapping.ts';

const MODES: MappingModes = {
  decimal: 'precise',
  time: 'adaptive',
  binary: 'bytes',
  interval: 'numeric',
  hstore: 'json',
  moneyDigits: 2,
  includeUnknown: true,
  placeholder: Buffer.from('x'),
  utf8: true,
};

/** The default of a column of a type named `name`. */
function shown(name: string, expression: string, modes: Partial<MappingModes> = {}, typmod = -1): unknown {
  const isEnum = name === 'mood';
  const types = new TypeCatalog().with([
    {
      oid: 1,
      name,
      schema: isEnum ? 'public' : 'pg_catalog',
      kind: isEnum ? 'e' : 'b',
      elementOid: 0,
      baseOid: 0,
      baseTypmod: -1,
      labels: isEnum ? ['sad', 'ok'] : [],
    },
  ]);
  const resolved = resolveType(types, 1, typmod);
  const mapping = mapType(types, 1, typmod, { ...MODES, ...modes });
  if (resolved === undefined || mapping === undefined) throw new Error(`no mapping for ${name}`);
  return defaultValueOf(expression, resolved, false, mapping);
}

const NUMERIC_9_2 = ((9 << 16) | 2) + 4;

describe('defaults in schemas', () => {
  test.each([
    ['bool', 'true', true],
    ['bool', '(1 = 1)', false],
    ['bool', 'NULL::boolean', undefined],
    ['int2', '(1 + 1)', undefined],
    ['int4', "'-7'::integer", -7],
    ['int4', "length('abc'::text)", 0],
    ['int8', "nextval('sq'::regclass)", 0],
    ['int8', "'-9007199254740993'::bigint", -9007199254740993n],
    ['float8', "'NaN'::double precision", Number.NaN],
    ['float8', "'Infinity'::double precision", Number.POSITIVE_INFINITY],
    ['float8', "'-2.5'::numeric", -2.5],
    ['text', "('a'::text || 'b'::text)", 'a'],
    ['text', "upper('x'::text)", ''],
    ['text', 'CURRENT_USER', 'CURRENT_USER'],
    ['text', "'it''s'::text", "it's"],
    ['varchar', "'abc'::character varying(2)", 'abc'],
    ['varchar', 'NULL::character varying', undefined],
    ['uuid', 'gen_random_uuid()', '00000000-0000-0000-0000-000000000000'],
    ['jsonb', "jsonb_build_object('a', 1)", '{}'],
    ['xml', "'<a/>'::xml", '<a/>'],
    ['bit', `B'1'::"bit"`, true],
    ['date', 'CURRENT_DATE', 0],
    ['date', "'2024-01-02'::date", 19724],
    ['date', "('now'::text)::date", undefined],
    ['time', "('now'::text)::time", undefined],
    ['timestamp', "(now() AT TIME ZONE 'utc'::text)", 0],
    ['timestamp', "'2024-01-02 03:04:05.678'::timestamp without time zone", 1704164645678000],
    ['timestamptz', 'now()', '1970-01-01T00:00:00.000000Z'],
    ['timestamptz', "(CURRENT_TIMESTAMP + '1 day'::interval)", undefined],
    // What is missing of a moment is that of the epoch.
    ['timestamptz', "(CURRENT_TIMESTAMP - '01:00:00'::interval)", '1970-01-01T01:00:00.000000Z'],
    ['timestamptz', "(CURRENT_TIMESTAMP + '-01:00:00'::interval)", undefined],
    ['timestamp', "(LOCALTIMESTAMP + '02:00:00.5'::interval)", 7_200_500_000],
    ['timestamp', "'2024-01-02'::date", 1704153600000000],
    ['date', "'2024-01-02 03:04:05'::timestamp without time zone", 19724],
    ['date', "(CURRENT_DATE - '01:00:00'::interval)", 0],
    ['date', "(CURRENT_DATE - '1 day'::interval)", undefined],
    ['date', "'0044-03-15 BC'::date", -735160],
    ['timestamptz', "'2024-01-02 01:04:05.678+00'::timestamp with time zone", '2024-01-02T01:04:05.678000Z'],
    ['interval', "'1 day'::interval", 86_400_000_000],
    ['interval', 'make_interval(days => 2)', 0],
    ['mood', "'ok'::mood", 'ok'],
    ['mood', "'ok'::public.mood", 'ok'],
    ['mood', 'NULL::mood', undefined],
    ['timetz', "'01:02:03+01'::time with time zone", undefined],
    ['oid', "'5'::oid", undefined],
    ['name', "'n'::name", undefined],
    ['char', `'x'::"char"`, undefined],
    ['citext', "'X'::citext", undefined],
    ['bytea', `'\\x01'::bytea`, undefined],
    ['money', "'5'::money", undefined],
    ['inet', "'10.0.0.1'::inet", undefined],
    ['numeric', '3.25', undefined],
  ])('%s default %s', (type, expression, expected) => {
    expect(shown(type, expression)).toEqual(expected);
  });

  test('a numeric has the scale of its column, whatever the mode', () => {
    expect(shown('numeric', '3', {}, NUMERIC_9_2)).toEqual(new BigDecimal(300n, 2));
    expect(shown('numeric', "'-1.5'::numeric", { decimal: 'string' }, NUMERIC_9_2)).toBe('-1.50');
    expect(shown('numeric', 'round(1.5, 1)', { decimal: 'string' }, NUMERIC_9_2)).toBe('0.00');
    expect(shown('numeric', '1.50', { decimal: 'string' })).toBe('1.50');
    expect(shown('numeric', '1.50', { decimal: 'double' })).toBe(1.5);
  });

  test('a number that its column would round shows none', () => {
    for (const decimal of ['precise', 'double', 'string'] as const)
      expect(shown('numeric', '1.255', { decimal }, NUMERIC_9_2)).toBeUndefined();
    expect(shown('numeric', '1.2', { decimal: 'double' }, NUMERIC_9_2)).toBe(1.2);
  });

  test('a moment is of the mode', () => {
    expect(shown('date', 'CURRENT_DATE', { time: 'isostring' })).toBe('1970-01-01Z');
    expect(shown('timestamp', 'now()', { time: 'isostring' })).toBe('1970-01-01T00:00:00Z');
    expect(shown('interval', 'make_interval(days => 2)', { interval: 'string' })).toBe('P0Y0M0DT0H0M0S');
  });
});
