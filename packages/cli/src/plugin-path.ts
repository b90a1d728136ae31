// `plugin.path` of a worker made for Connect: what lies there is for the JVM, and said to be so in one line.
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';

const MAX_NAMED = 5;
const MAX_ENTRIES = 2000;

/** One line where folders of `plugin.path` hold jars; nothing else. */
export async function pluginPathNotes(pluginPath: string): Promise<string[]> {
  const folders = pluginPath
    .split(',')
    .map((folder) => folder.trim())
    .filter((folder) => folder !== '');
  const found = (await Promise.all(folders.map(jvmPlugins))).flat();
  if (found.length === 0) return [];
  const named = found.slice(0, MAX_NAMED).join(', ') + (found.length > MAX_NAMED ? ', ...' : '');
  const plural = found.length === 1 ? 'plug-in' : 'plug-ins';
  return [
    `plugin.path holds ${found.length} ${plural} for the JVM (${named}), which cannot run here; classes that Millrace has under the same names take their place (GET /connector-plugins)`,
  ];
}

/** Folders with jars in them, and jars, directly below a folder. */
async function jvmPlugins(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await entriesOf(folder)) {
    if (entry.isFile() && entry.name.endsWith('.jar')) found.push(entry.name);
    if (!entry.isDirectory() && !entry.isSymbolicLink()) continue;
    const inside = await entriesOf(path.join(folder, entry.name));
    if (inside.some(({ name }) => name.endsWith('.jar'))) found.push(entry.name);
  }
  return found.sort();
}

/** A folder that cannot be read holds nothing that could be told of. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).slice(0, MAX_ENTRIES);
  } catch {
    return [];
  }
}
