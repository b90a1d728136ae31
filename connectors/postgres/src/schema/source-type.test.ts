import { expect, test } from 'vitest';
import type { CatalogColumn, PgType } from './catalog.ts';
import { lengthAndScale, sourceTypeName } from './source-type.ts';

const typeNamed = (name: string): PgType => ({
  oid: 1,
  name,
  schema: 'pg_catalog',
  kind: 'b',
  elementOid: 0,
  baseOid: 0,
  baseTypmod: -1,
  labels: [],
});

test('a snapshot calls a column serial whose default has a sequence anywhere in it', () => {
  const column = (defaultExpression: string): CatalogColumn => ({
    name: 'n',
    typeOid: 1,
    typmod: -1,
    notNull: true,
    defaultExpression,
    generated: false,
    comment: null,
  });
  const int8 = typeNamed('int8');
  expect(sourceTypeName(int8, column("(nextval('s'::regclass) * 2)"), 'snapshot')).toBe('bigserial');
  expect(sourceTypeName(int8, column("(nextval('s'::regclass) * 2)"), 'stream')).toBe('int8');
  expect(sourceTypeName(int8, column('1'), 'snapshot')).toBe('int8');
});

test('an interval of restricted fields has the scale that its modifier has', () => {
  const interval = typeNamed('interval');
  expect(lengthAndScale({ type: interval, typmod: -1 })).toEqual({ length: 49, scale: 6 });
  expect(lengthAndScale({ type: interval, typmod: 0x7fff0003 })).toEqual({ length: 49, scale: 3 });
  expect(lengthAndScale({ type: interval, typmod: 0x0006ffff })).toEqual({ length: 49, scale: 65_535 });
});
