// A Postgres of the system with PostGIS: the servers from npm come without extensions of others.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROGRAMS = '/usr/lib/postgresql';
const EXTENSIONS = '/usr/share/postgresql';

/**
 * The folder with the programs of a Postgres that has PostGIS. Installs one with apt-get when root on Debian or Ubuntu.
 * @throws when there is none and none can be installed
 */
export async function postgresWithPostgis(): Promise<string> {
  const found = installed();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    throw new Error(
      'no Postgres with PostGIS is installed, and only root on Debian or Ubuntu can install one',
    );
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await run('apt-get', ['update', '-q'], { timeout: 120_000, env });
  const { stdout } = await run('apt-cache', [
    'search',
    '--names-only',
    String.raw`^postgresql-[0-9]+-postgis-3$`,
  ]);
  const name = /^postgresql-\d+-postgis-3/m.exec(stdout)?.[0];
  if (name === undefined) throw new Error('apt knows no postgresql-*-postgis-3');
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], {
    timeout: 600_000,
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  const now = installed();
  if (now === undefined) throw new Error(`${name} is installed and not found below ${PROGRAMS}`);
  return now;
}

function installed(): string | undefined {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS) : [];
  const version = versions.find(
    (candidate) =>
      existsSync(path.join(PROGRAMS, candidate, 'bin/postgres')) &&
      existsSync(path.join(EXTENSIONS, candidate, 'extension/postgis.control')),
  );
  return version === undefined ? undefined : path.join(PROGRAMS, version, 'bin');
}
