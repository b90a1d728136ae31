// Columns of PostGIS from a server that has it. What comes is what Debezium 3.6.2 gave for the same statements.
import type { Struct } from '@millrace/data';
import { startPostgres } from '@millrace/local-servers';
import { postgresWithPostgis, testDatabase } from '@millrace/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Delivered, TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';

const GEOMETRY = { name: 'io.debezium.data.geometry.Geometry', version: 1, doc: 'Geometry', optional: true };
const GEOGRAPHY = {
  name: 'io.debezium.data.geometry.Geography',
  version: 1,
  doc: 'Geography',
  optional: true,
};
const POINT = { wkb: 'AQEAAAAAAAAAAADwPwAAAAAAAABA', srid: null };
const POINT_4326 = { wkb: 'AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==', srid: 4326 };
const POINT_Z = { wkb: 'AQEAAIAAAAAAAADwPwAAAAAAAABAAAAAAAAACEA=', srid: null };
const EMPTY = { wkb: 'AQcAAAAAAAAA', srid: null };

/** Structs as plain objects, bytes as base64. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || !('schema' in value)) return value;
  const struct = value as Struct;
  return Object.fromEntries(struct.schema.fields.map(({ name, index }) => [name, plain(struct.at(index))]));
}
const row = ({ record }: Delivered, side: 'before' | 'after'): Struct =>
  (record.value as Struct).get(side) as Struct;

describe('PostGIS on a real server', () => {
  let binDir = '';
  let missing: string | undefined;
  beforeAll(async () => {
    try {
      binDir = await postgresWithPostgis();
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      missing = String(error);
    }
  }, 900_000);

  test('geometry and geography, alone and in arrays, by snapshot and stream (INV-8)', async (context) => {
    if (missing !== undefined) return context.skip(missing);
    await using server = await startPostgres({ binDir, fsync: false });
    await using db = await testDatabase(server.url());
    await db.query(`
      create extension postgis;
      create table t (id serial primary key, g geometry, gp geometry(Point,4326), gg geography, ggp geography(Point,4326),
        ga geometry[], gga geography[], gn geometry not null);
      create table seed as table t`);
    await db.query(`insert into t (g, gp, gg, ggp, ga, gga, gn) values
      ('POINT(1 2)', 'SRID=4326;POINT(1 2)', 'POINT(1 2)', 'POINT(1 2)', array['POINT(1 2)'::geometry, null],
       array['POINT(1 2)'::geography], 'POINT Z (1 2 3)')`);
    const config = testConfig(db, db.name, { 'table.exclude.list': 'public.seed' });
    await using driver = await TaskDriver.start(config);
    const [read] = await driver.until(1);
    await db.query('insert into t (g, gp, gg, ggp, ga, gga, gn) select g, gp, gg, ggp, ga, gga, gn from t');
    await db.query('delete from t where id = 1');
    const [, created, deleted] = await driver.until(3);
    if (read === undefined || created === undefined || deleted === undefined) throw new Error('no records');
    const expected = {
      g: POINT,
      gp: POINT_4326,
      gg: POINT_4326,
      ggp: POINT_4326,
      ga: [POINT, null],
      gga: [POINT_4326],
      gn: POINT_Z,
    };
    expect(plain(row(read, 'after'))).toEqual({ id: 1, ...expected });
    expect(plain(row(created, 'after'))).toEqual({ id: 2, ...expected });
    expect(plain(row(deleted, 'before'))).toMatchObject({ id: 1, g: null, gn: EMPTY });
    const { schema } = row(created, 'after');
    for (const name of ['g', 'gp', 'gn']) expect(schema.field(name)?.schema).toMatchObject(GEOMETRY);
    for (const name of ['gg', 'ggp']) expect(schema.field(name)?.schema).toMatchObject(GEOGRAPHY);
    expect(schema.field('ga')?.schema.valueSchema).toMatchObject(GEOMETRY);
    expect(schema.field('gga')?.schema.valueSchema).toMatchObject(GEOGRAPHY);
    expect(row(read, 'after').schema.equals(schema)).toBe(true);
    // The table that comes with PostGIS is no table of ours.
    expect(driver.delivered.every(({ record }) => record.topic === 'p.public.t')).toBe(true);
  });
});
