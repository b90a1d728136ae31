import { afterEach, describe, expect, test } from 'vitest';
import { fetchPostgres, findPostgres, installedPostgres, postgresReleases } from './postgres-binaries.ts';

const before = process.env['PG_BIN'];
afterEach(() => {
  if (before === undefined) delete process.env['PG_BIN'];
  else process.env['PG_BIN'] = before;
});

describe('the programs of Postgres', () => {
  test('are those in PG_BIN, before any package', async () => {
    process.env['PG_BIN'] = '/opt/postgres/bin';
    expect(installedPostgres()).toBe('/opt/postgres/bin');
    expect(await findPostgres()).toBe('/opt/postgres/bin');
  });

  test('are of a release for each major version that is tested', () => {
    for (const [major, release] of Object.entries(postgresReleases))
      expect(release.startsWith(`${major}.`)).toBe(true);
    expect(Object.keys(postgresReleases)).toEqual(['14', '15', '16', '17', '18']);
  });

  test('of a version that is not known are refused with those that are', async () => {
    await expect(fetchPostgres('9')).rejects.toMatchObject({
      code: 'local.no_binaries',
      message: expect.stringContaining('14, 15, 16, 17, 18'),
    });
  });
});
