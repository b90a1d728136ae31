// Offsets in a file: written whole under another name, synced, and put in its place.
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { libraryError } from '../errors.ts';
import type { SourceOffsets } from './source-offsets.ts';

/**
 * Keeps offsets in a file of JSON, for one program at a time. Its folder has to be there.
 *
 * @throws library.bad_offsets from `load` when the file holds something else; library.offsets when it cannot be read or written
 */
export function fileOffsets(file: string): SourceOffsets {
  const kept = new Map<string, string>();
  return {
    async load() {
      for (const [key, value] of await readOffsets(file)) kept.set(key, value);
      return new Map(kept);
    },
    async save(changes) {
      for (const [key, value] of changes) kept.set(key, value);
      try {
        await writeWhole(file, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
      } catch (cause) {
        throw libraryError('library.offsets', `The offsets cannot be written to ${file}`, { cause });
      }
    },
  };
}

async function readOffsets(file: string): Promise<[string, string][]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ENOENT') return [];
    throw libraryError('library.offsets', `The offsets in ${file} cannot be read`, { cause });
  }
  try {
    const parsed = JSON.parse(text) as unknown;
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      const entries = Object.entries(parsed);
      if (entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return entries;
    }
  } catch {
    // Told below.
  }
  throw libraryError('library.bad_offsets', `${file} does not hold offsets that were saved there`);
}

async function writeWhole(file: string, text: string): Promise<void> {
  const unfinished = `${file}.new`;
  const handle = await open(unfinished, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
  // The name, too, has to survive a loss of power. Windows syncs no folders.
  if (process.platform === 'win32') return;
  const folder = await open(path.dirname(path.resolve(file)), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
