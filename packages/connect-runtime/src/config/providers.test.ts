import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultProviders, resolveKnownVariables, resolveVariables } from './providers.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-providers-'));
  writeFileSync(path.join(folder, 'secrets.properties'), 'password=s3cret\n');
  writeFileSync(path.join(folder, 'token'), 'abc');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const providers = defaultProviders({ DB_HOST: 'db.example' });

describe('config providers', () => {
  it('replace variables of the environment, of files and of folders', async () => {
    const config = {
      url: 'postgres://${env:DB_HOST}:5432',
      password: `\${file:${folder}/secrets.properties:password}`,
      token: `\${dir:${folder}:token}`,
      other: '${vault:path:key} $${x} ${x}',
    };
    expect(await resolveVariables(config, providers)).toEqual({
      url: 'postgres://db.example:5432',
      password: 's3cret',
      token: 'abc',
      other: '${vault:path:key} $${x} ${x}',
    });
  });

  it('name the config key and the variable that is not there', async () => {
    await expect(resolveVariables({ url: '${env:NOPE}' }, providers)).rejects.toMatchObject({
      code: 'connect.config_variable',
      configKey: 'url',
      message: '${env:NOPE} in url is not defined',
    });
  });

  it('leave the folder of a dir variable to no key', async () => {
    await expect(resolveVariables({ a: `\${dir:${folder}:../secrets}` }, providers)).rejects.toMatchObject({
      code: 'connect.config_variable',
    });
  });

  it('keep what cannot be resolved while a config is only checked', async () => {
    expect(await resolveKnownVariables({ a: '${env:NOPE}', b: '${env:DB_HOST}' }, providers)).toEqual({
      a: '${env:NOPE}',
      b: 'db.example',
    });
  });
});
