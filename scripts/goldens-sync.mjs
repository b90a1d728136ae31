// `npm run goldens:sync -- DIR`: copies the recorded goldens that the tests read from DIR into testdata/goldens, byte
// for byte; with --check it only says what is stale.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fail, root } from './lib.mjs';

/** What the tests read, relative to the goldens' folder. */
const PARTS = [
  'README.md',
  'kafka',
  'connect-rest',
  'transforms',
  'converters',
  'cdc/README.md',
  'cdc/cdc_golden.py',
  'cdc/cdc_mongo.py',
  'cdc/mongo_server.py',
  'cdc/mongo_server_check.mjs',
  'cdc/requirements.txt',
  'cdc/requirements-mongo.txt',
  'cdc/postgres',
];

const check = process.argv.includes('--check');
const from = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
if (!from) fail('Usage: npm run goldens:sync -- DIR [--check], where DIR is a folder of goldens.');
if (!existsSync(path.join(from, 'README.md'))) fail(`${from} holds no goldens: there is no README.md in it.`);
const to = path.join(root, 'testdata/goldens');

function files(folder, prefix = '') {
  if (!existsSync(folder)) return [];
  if (statSync(folder).isFile()) return [prefix];
  return readdirSync(folder).flatMap((name) =>
    name === '__pycache__' ? [] : files(path.join(folder, name), path.join(prefix, name)),
  );
}

const stale = [];
for (const part of PARTS) {
  const wanted = files(path.join(from, part), part);
  for (const file of wanted) {
    const copy = path.join(to, file);
    if (!existsSync(copy) || !readFileSync(copy).equals(readFileSync(path.join(from, file))))
      stale.push(file);
  }
  for (const file of files(path.join(to, part), part))
    if (!wanted.includes(file)) stale.push(`${file} (no longer there)`);
}
if (stale.length === 0) {
  console.log('testdata/goldens is up to date');
} else if (check) {
  console.log(`${stale.length} files of testdata/goldens are stale:\n${stale.slice(0, 20).join('\n')}`);
  process.exitCode = 1;
} else {
  for (const part of PARTS) {
    rmSync(path.join(to, part), { recursive: true, force: true });
    cpSync(path.join(from, part), path.join(to, part), {
      recursive: true,
      filter: (source) => !source.includes('__pycache__'),
    });
  }
  console.log(`${stale.length} files brought up to date`);
}
