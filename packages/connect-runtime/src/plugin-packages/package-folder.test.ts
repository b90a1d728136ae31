import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageNames } from './load.ts';
import { findPackage, packagesBelow } from './package-folder.ts';

let root = '';
const make = (folder: string, manifest: string, ...files: string[]): void => {
  mkdirSync(path.join(root, folder), { recursive: true });
  writeFileSync(path.join(root, folder, 'package.json'), manifest);
  for (const file of files) {
    mkdirSync(path.dirname(path.join(root, folder, file)), { recursive: true });
    writeFileSync(path.join(root, folder, file), '');
  }
};
const entryIn = (folder: string, file: string): string => pathToFileURL(path.join(root, folder, file)).href;

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'millrace-packages-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('findPackage', () => {
  it.each([
    ['main', '{"main":"lib/a.js"}', 'lib/a.js'],
    ['no entry', '{}', 'index.js'],
    ['exports as text', '{"exports":"./b.js"}', 'b.js'],
    ['exports of a path', '{"exports":{".":"./c.js","./d":"./d.js"}}', 'c.js'],
    ['conditions', '{"exports":{"require":"./no.cjs","node":{"import":"./e.js"}},"main":"no.js"}', 'e.js'],
    ['types first', '{"exports":{".":{"types":"./f.d.ts","default":"./f.js"}}}', 'f.js'],
    ['a list', '{"exports":[{"browser":"./no.js"},"./g.js"]}', 'g.js'],
  ])('finds the module that an import of the package would load: %s', (name, manifest, file) => {
    const folder = `by-path/${name.replaceAll(' ', '-')}`;
    make(folder, manifest, file);
    expect(findPackage(`./${folder}`, root).entry).toBe(entryIn(folder, file));
  });

  it('finds a package by name below the folder and those above it', () => {
    make('node_modules/@acme/thing', '{"version":"2.0.0"}', 'index.js');
    mkdirSync(path.join(root, 'deep/er'), { recursive: true });
    expect(findPackage('@acme/thing', path.join(root, 'deep/er'))).toEqual({
      name: '@acme/thing',
      folder: path.join(root, 'node_modules/@acme/thing'),
      entry: entryIn('node_modules/@acme/thing', 'index.js'),
      version: '2.0.0',
    });
  });

  it.each([
    ['not-installed', /no such package/],
    ['../../etc', /there is no .*package\.json/],
    ['@acme/../thing', /no such package/],
    ['./broken', /cannot be read/],
    ['./unbuilt', /dist\/index\.js, which is not there/],
  ])('refuses %s and says why', (name, why) => {
    make('broken', '{');
    make('unbuilt', '{"main":"./dist/index.js"}');
    expect(() => findPackage(name, root)).toThrow(why);
  });
});

describe('packagesBelow', () => {
  it('takes marked packages, and tells of folders there are not', () => {
    make('path/one', '{"millrace":{}}', 'index.js');
    make('path/two', '{}', 'index.js');
    make('path/java', '[]', 'a.jar', 'b.jar', 'readme');
    const found = packagesBelow(['path', 'nowhere'], root);
    expect(found.folders).toEqual([path.join(root, 'path/one')]);
    expect(found.missing).toEqual(['nowhere']);
  });
});

describe('the list of packages', () => {
  it('may be written as a JSON array', () => {
    expect(packageNames(['["@acme/a"', '"./b"]'])).toEqual(['@acme/a', './b']);
    expect(packageNames(['@acme/a', './b', ''])).toEqual(['@acme/a', './b']);
  });
});
