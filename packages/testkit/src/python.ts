// A Python with packages of its own, for programs and clients that others wrote. Made once below node_modules.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../node_modules/.cache');

/**
 * The interpreter of a virtual environment that has these packages. Installs them at the first call.
 * @throws when python3, its venv module or the package index is missing
 */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const name = createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 12);
  const folder = path.join(cache, `python-${name}`);
  const interpreter = path.join(folder, 'bin/python');
  if (existsSync(path.join(folder, 'complete'))) return interpreter;
  // Made beside and moved into place with its marker, so that a run that was cut short leaves nothing half done.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  await run('python3', ['-m', 'venv', folder]);
  await run(interpreter, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages], {
    timeout: 300_000,
  });
  const marker = path.join(folder, 'marker');
  await run('touch', [marker]);
  renameSync(marker, path.join(folder, 'complete'));
  return interpreter;
}
