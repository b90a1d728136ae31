// Makes the package of a new plug-in: a working one of examples/plugins, under the name that is asked for.
//   npm run new:connector -- NAME [--sink] [--package com.acme]
//   npm run new:transform -- NAME [--package com.acme]
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

const root = process.cwd();

function fail(message) {
  console.error(message);
  process.exit(2);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { sink: { type: 'boolean' }, source: { type: 'boolean' }, package: { type: 'string' } },
    });
    return { kind: positionals[0], name: positionals[1], more: positionals.slice(2), ...values };
  } catch (error) {
    return fail(`${error.message}\n${usage('connector')}\n${usage('transform')}`);
  }
}

function usage(kind) {
  const flags = kind === 'connector' ? ' [--source | --sink]' : '';
  return `Usage: npm run new:${kind} -- NAME${flags} [--package com.acme]`;
}

const pascal = (name) => name.replaceAll(/(?:^|-)(.)/g, (_, letter) => letter.toUpperCase());

const { kind, name, more, sink, source, package: javaPackage = 'com.example' } = readArguments();
if (kind !== 'connector' && kind !== 'transform') fail(`${usage('connector')}\n${usage('transform')}`);
if (name === undefined || more.length > 0) fail(usage(kind));
if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
  fail(`${name} is no name for a package: use small letters, digits and hyphens, such as my-${kind}.`);
if (!/^[A-Za-z]\w*(\.[A-Za-z]\w*)*$/.test(javaPackage))
  fail(`--package takes a name such as com.acme, not ${javaPackage}.`);
if (sink && source) fail(`A connector is a source or a sink, not both.\n${usage(kind)}`);

const template = kind === 'transform' ? 'mask-text' : sink ? 'folder-sink' : 'folder-source';
const shown = path.join('plugins', name);
const target = path.join(root, shown);
if (existsSync(target)) fail(`${shown} is there already. Take another name, or remove it first.`);
cpSync(path.join(root, 'examples/plugins', template), target, {
  recursive: true,
  filter: (from) => !['dist', 'node_modules'].includes(path.basename(from)),
});

// `FolderSourceConnector` stays one word: a name that says `source` itself does not say it twice.
const renamed = (text) =>
  text
    .replaceAll(`com.example.${pascal(template)}`, `${javaPackage}.${pascal(name)}`)
    .replaceAll(pascal(template), pascal(name))
    .replaceAll(template, name);
for (const entry of readdirSync(target, { recursive: true })) {
  const file = path.join(target, entry);
  if (statSync(file).isFile()) writeFileSync(file, renamed(readFileSync(file, 'utf8')));
}
if (kind === 'transform') {
  const sources = path.join(target, 'src');
  renameSync(path.join(sources, `${template}.ts`), path.join(sources, `${name}.ts`));
}

const className = `${javaPackage}.${pascal(name)}${kind === 'connector' ? 'Connector' : ''}`;
console.log(`${shown} holds ${className}, with its tests.

  npm test --prefix ${shown}       build and test it
  plugins=./${shown}               line of a worker.properties that loads it

docs/guides/write-a-${kind}.md goes on from here.`);
