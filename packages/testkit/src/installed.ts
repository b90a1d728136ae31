// Things that tests install with a package manager, once, below node_modules.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../node_modules/.cache');

/**
 * A folder that `install` has filled for this content. A run that was cut short leaves nothing that a later one takes
 * for complete.
 */
export async function installedFolder(
  kind: string,
  content: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(
    cache,
    `${kind}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`,
  );
  const marker = path.join(folder, '.complete');
  if (existsSync(marker)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await install(folder);
  writeFileSync(marker, '');
  return folder;
}
