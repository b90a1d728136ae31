// Finds the packages that hold plug-ins of others: by name below a `node_modules`, by path, or below `plugin.path`.
// Reads package.json only; the code of a package runs nowhere but in a process of its own.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { messageOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';

/** A package with plug-ins, as plain data. */
export interface PluginPackage {
  /** As the worker config names it. */
  readonly name: string;
  readonly folder: string;
  /** URL of the module that exports its plug-ins. */
  readonly entry: string;
  readonly version: string | null;
}

interface Manifest {
  readonly version?: unknown;
  readonly main?: unknown;
  readonly exports?: unknown;
  readonly millrace?: unknown;
}

/**
 * The package of a name or of a path (`./`, `../` or absolute), seen from a folder.
 * @throws connect.plugin_not_loaded
 */
export function findPackage(name: string, from: string): PluginPackage {
  const isPath = /^\.{1,2}([\\/]|$)/.test(name) || path.isAbsolute(name);
  const folder = isPath ? path.resolve(from, name) : folderOf(name, from);
  if (folder === undefined) {
    throw notLoaded(name, `there is no such package below ${path.join(from, 'node_modules')}`, {
      hint: `Install it with npm install ${name} in the folder where Millrace is started, or give the path of its folder.`,
    });
  }
  return packageIn(folder, name);
}

/** The packages in folders below those of `plugin.path` whose package.json has the key `millrace`; jars are none. */
export function packagesBelow(
  folders: readonly string[],
  from: string,
): { readonly folders: readonly string[]; readonly missing: readonly string[] } {
  const found: string[] = [];
  const missing: string[] = [];
  for (const given of folders) {
    const root = path.resolve(from, given);
    if (isFolder(root)) found.push(...[root, ...subfolders(root)].filter(isMarked));
    else if (!existsSync(root)) missing.push(given);
  }
  return { folders: found, missing };
}

function packageIn(folder: string, name: string): PluginPackage {
  const file = path.join(folder, 'package.json');
  if (!existsSync(file)) throw notLoaded(name, `there is no ${file}`);
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch (error) {
    throw notLoaded(name, `${file} cannot be read: ${messageOf(error)}`);
  }
  const target =
    entryOf(manifest.exports) ?? (typeof manifest.main === 'string' ? manifest.main : './index.js');
  const entry = path.resolve(folder, target);
  if (!existsSync(entry)) {
    throw notLoaded(name, `its package.json names ${target}, which is not there`, {
      hint: 'Build the package (npm run build), or correct exports or main in its package.json.',
    });
  }
  const version = typeof manifest.version === 'string' ? manifest.version : null;
  return { name, folder, entry: pathToFileURL(entry).href, version };
}

/** What `exports` says for an `import` of the package, as Node reads it. */
function entryOf(exports: unknown, depth = 0): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null || depth > 8) return undefined;
  if (Array.isArray(exports)) {
    for (const each of exports) {
      const found = entryOf(each, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  const table = exports as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(table, '.')) return entryOf(table['.'], depth + 1);
  for (const [condition, target] of Object.entries(table)) {
    if (!['node', 'import', 'default', 'node-addons', 'module-sync'].includes(condition)) continue;
    const found = entryOf(target, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Below the `node_modules` of the folder and of those above it, then where Millrace itself is installed. */
function folderOf(name: string, from: string): string | undefined {
  if (!/^(@[\w.~-]+\/)?[\w.~-]+$/.test(name)) return undefined;
  for (const start of [from, path.dirname(fileURLToPath(import.meta.url))]) {
    for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
      const candidate = path.join(folder, 'node_modules', name);
      if (isFolder(candidate)) return candidate;
      if (path.dirname(folder) === folder) break;
    }
  }
  return undefined;
}

function isMarked(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest | null;
    return manifest?.millrace !== undefined && manifest.millrace !== false;
  } catch {
    return false;
  }
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function subfolders(folder: string): string[] {
  return names(folder)
    .map((name) => path.join(folder, name))
    .filter(isFolder);
}

function notLoaded(name: string, why: string, options: { hint?: string } = {}): Error {
  return connectError(
    'connect.plugin_not_loaded',
    `The plug-ins of ${name} were not loaded: ${why}`,
    options,
  );
}
