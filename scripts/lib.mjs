// What the scripts share: running commands, finding what is missing. Node built-ins only, since they run before
// anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Runs a command in the project and resolves with its exit code; output goes to ours unless `quiet`. */
export function run(command, args, options = {}) {
  const { quiet = false, env = {} } = options;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      env: { ...process.env, ...env },
      shell: process.platform === 'win32',
    });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('exit', (code) => resolve({ code: code ?? 1, output }));
  });
}

export function has(command) {
  return (
    spawnSync(process.platform === 'win32' ? 'where' : 'which', [command], { stdio: 'ignore' }).status === 0
  );
}

/** Installs dependencies when they are missing or older than the lock file. Returns the seconds it took, 0 if none. */
export async function install() {
  const marker = path.join(root, 'node_modules/.package-lock.json');
  const lock = path.join(root, 'package-lock.json');
  if (
    existsSync(marker) &&
    statSync(marker).mtimeMs >= statSync(lock).mtimeMs - 1000 &&
    sameVersions(marker, lock)
  )
    return 0;
  const start = performance.now();
  console.error('Installing dependencies (npm install) ...');
  const { code, output } = await run('npm', ['install', '--no-audit', '--no-fund'], { quiet: true });
  if (code !== 0) fail(`npm install failed:\n${output}`);
  return (performance.now() - start) / 1000;
}

/** Whether every package of the lock file that this platform needs is installed. */
function sameVersions(marker, lock) {
  const installed = JSON.parse(readFileSync(marker, 'utf8')).packages ?? {};
  const wanted = JSON.parse(readFileSync(lock, 'utf8')).packages ?? {};
  return Object.entries(wanted).every(
    ([name, entry]) =>
      name === '' ||
      !name.startsWith('node_modules/') ||
      entry.optional ||
      entry.devOptional ||
      entry.link ||
      installed[name] !== undefined,
  );
}

/** Builds what changed. Returns the seconds it took. */
export async function build() {
  const start = performance.now();
  const { code, output } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], {
    quiet: true,
  });
  if (code !== 0) fail(`The build failed:\n${output}`);
  const { bundle } = await import('./bundle.mjs');
  await bundle();
  return (performance.now() - start) / 1000;
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}
