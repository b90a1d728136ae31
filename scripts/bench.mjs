// `npm run bench -- NAME`: builds and runs one of bench/src/NAME.ts from its build.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { build, fail, install, root, run } from './lib.mjs';

const [name, ...rest] = process.argv.slice(2);
await install();
await build();
const folder = path.join(root, 'bench/dist');
const names = existsSync(folder)
  ? readdirSync(folder)
      .filter((file) => file.endsWith('.bench.js'))
      .map((file) => file.slice(0, -'.bench.js'.length))
  : [];
if (name === undefined || !names.includes(name))
  fail(`Usage: npm run bench -- NAME, with NAME one of ${names.join(', ')}.`);
const { code } = await run(process.execPath, ['--expose-gc', path.join(folder, `${name}.bench.js`), ...rest]);
process.exit(code);
