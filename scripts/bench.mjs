// `npm run bench -- NAME...`: builds and runs bench/src/NAME.bench.ts, one after the other, each with the options that follow.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { build, fail, install, root, run } from './lib.mjs';

const args = process.argv.slice(2);
const firstOption = args.findIndex((arg) => arg.startsWith('-'));
const names = firstOption < 0 ? args : args.slice(0, firstOption);
const options = args.slice(names.length);
await install();
await build();
const folder = path.join(root, 'bench/dist');
const known = existsSync(folder)
  ? readdirSync(folder)
      .filter((file) => file.endsWith('.bench.js'))
      .map((file) => file.slice(0, -'.bench.js'.length))
  : [];
if (names.length === 0 || names.some((name) => !known.includes(name)))
  fail(`Usage: npm run bench -- NAME..., with NAME one of ${known.join(', ')}.`);
let failed = 0;
for (const name of names) {
  const { code } = await run(process.execPath, [
    '--expose-gc',
    path.join(folder, `${name}.bench.js`),
    ...options,
  ]);
  failed ||= code;
}
process.exit(failed);
