// Packages that are too large to come with every install: fetched with npm when they are first needed, into a cache.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { MillraceError } from '@millrace/foundation';

const run = promisify(execFile);

const TIMEOUT_MS = 600_000;

export interface FetchOptions {
  /** Where packages are kept; default `millrace` in the user's cache folder. */
  readonly cacheDir?: string;
  /** Told before anything is fetched. */
  readonly say?: (line: string) => void;
}

/**
 * The folder of one version of a package, fetched at the first call. Its install scripts do not run. Several processes
 * may call it at once.
 * @throws local.fetch_failed
 */
export async function fetchPackage(
  name: string,
  version: string,
  options: FetchOptions = {},
): Promise<string> {
  const cache = options.cacheDir ?? userCache();
  const folder = path.join(cache, `${name.replace('/', '+')}@${version}`);
  const fetched = path.join(folder, 'node_modules', name);
  if (existsSync(fetched)) return fetched;
  options.say?.(`Fetching ${name} ${version} into ${cache} ...`);
  mkdirSync(cache, { recursive: true });
  // Fetched beside and moved into place, so that a fetch that was cut short leaves nothing half done.
  const arriving = mkdtempSync(path.join(cache, '.arriving-'));
  try {
    // npm takes a folder with a manifest for a project of its own.
    writeFileSync(path.join(arriving, 'package.json'), '{ "private": true }\n');
    const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...flags, `${name}@${version}`], {
      cwd: arriving,
      env: environment(),
      timeout: TIMEOUT_MS,
      shell: process.platform === 'win32',
    });
    moveTo(folder, arriving);
  } catch (cause) {
    throw new MillraceError('local.fetch_failed', `npm could not fetch ${name}@${version}`, { cause });
  } finally {
    rmSync(arriving, { recursive: true, force: true });
  }
  return fetched;
}

function moveTo(folder: string, arriving: string): void {
  try {
    renameSync(arriving, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // another process was faster: its copy is as good
  }
}

function userCache(): string {
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'millrace');
}

/** What an outer `npm run` or `npx` was told about its own project is not meant for this one. */
function environment(): NodeJS.ProcessEnv {
  const own = /^npm_(config_(global|local_prefix|prefix|workspaces?|package|call|omit|dry_run)|package_.*)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}
