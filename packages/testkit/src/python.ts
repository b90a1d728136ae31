// A Python with packages of its own, for programs and clients that others wrote. Made once below node_modules.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { installedFolder } from './installed.ts';

const run = promisify(execFile);

/**
 * The interpreter of a virtual environment that has these packages. Installs them at the first call.
 * @throws when python3, its venv module or the package index is missing
 */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const folder = await installedFolder('python', packages.join(' '), async (target) => {
    await run('python3', ['-m', 'venv', target]);
    const args = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages];
    await run(path.join(target, 'bin/python'), args, { timeout: 300_000 });
  });
  return path.join(folder, 'bin/python');
}
