// Puts the program `millrace` into a few files: with some 1,600 modules, loading them was most of its start. Only what
// is run by the command is bundled, once for all its threads. What plug-ins of others meet in their processes, the
// shop of the demo and programs that use Millrace as a library load the packages themselves. Needs the output of tsc.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { root } from './lib.mjs';

const outDir = path.join(root, 'packages/cli/bundle');
const LICENCES = 'LICENSES.txt';

/** What starts by itself: the command, and the threads it starts. */
const ENTRIES = {
  main: 'packages/cli/dist/main.js',
  'task-thread': 'packages/cli/dist/task-thread.js',
  'broker-thread': 'packages/broker/dist/thread.js',
  'cleaner-thread': 'packages/broker/dist/log/cleaner/thread.js',
};

/** Files that modules name, and the entries that are run in their place. */
const THREADS = {
  'packages/connect-runtime/dist/host/thread.js': 'task-thread',
  'packages/broker/dist/thread.js': 'broker-thread',
  'packages/broker/dist/log/cleaner/thread.js': 'cleaner-thread',
};

/** Files that are loaded from their packages, by the names under which packages export them. */
const EXPORTED = {
  'packages/connect-runtime/dist/host/child.js': '@millrace/connect-runtime/plugin-process',
};

/** Loaded from node_modules: native code, and packages with files of their own beside their code. */
const EXTERNAL = ['@node-rs/crc32', 'pg-native', '@millrace/demo', '@millrace/local-servers'];

const OURS = /[\\/](packages|connectors)[\\/][^\\/]+[\\/]dist[\\/]/;
const ASSET = /new URL\('([^']+)', import\.meta\.url\)/g;

/** Files named by their place beside a module are beside its bundle no more. */
function place(reference, module) {
  const file = path.relative(root, path.resolve(path.dirname(module), reference)).replaceAll(path.sep, '/');
  const thread = THREADS[file];
  if (thread !== undefined) return `new URL('./${thread}.js', import.meta.url)`;
  const name = EXPORTED[file];
  if (name !== undefined) return `new URL(import.meta.resolve('${name}'))`;
  const beside = path.relative(outDir, path.join(root, file)).replaceAll(path.sep, '/');
  if (beside.split('/').filter((part) => part === '..').length === 1)
    return `new URL('${beside}', import.meta.url)`;
  throw new Error(`${module} names ${reference}: say in scripts/bundle.mjs where the bundle finds that`);
}

const placeFiles = {
  name: 'place-files',
  transform: {
    filter: { id: OURS, code: 'import.meta.url' },
    handler: (code, module) => ({
      code: code.replace(ASSET, (_, reference) => place(reference, module)),
      map: null,
    }),
  },
};

/** The licences of all packages whose code is in the bundle. */
function licences(modules) {
  const folders = new Set(
    modules.flatMap(
      (module) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(module)?.[0] ?? [],
    ),
  );
  const texts = [...folders]
    .toSorted((a, b) => a.localeCompare(b))
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
      const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
      const text = files.map((file) => readFileSync(path.join(folder, file), 'utf8').trim()).join('\n\n');
      return `${name} ${version} (${license})\n\n${text}`.trim();
    });
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** A chunk is called by the package it begins with, where that is one of ours. */
function chunkName({ facadeModuleId, name }) {
  const [, ours] =
    /[\\/](?:packages|connectors)[\\/]([^\\/]+)[\\/]dist[\\/]index\.js$/.exec(facadeModuleId ?? '') ?? [];
  return `${ours ?? (name === 'dist' ? 'shared' : name)}-[hash].js`;
}

/** Writes `packages/cli/bundle`. A file that a running program may still load goes only when it has changed. */
export async function bundle() {
  const inputs = Object.entries(ENTRIES).map(([name, file]) => [name, path.join(root, file)]);
  const build = await rolldown({
    input: Object.fromEntries(inputs),
    cwd: root,
    platform: 'node',
    external: EXTERNAL,
    // Modules of ours do nothing by being loaded, so a chunk has only what is used of a package.
    treeshake: { moduleSideEffects: (module) => !OURS.test(module) },
    plugins: [placeFiles],
    onLog(level, log, report) {
      // What a dependency does in its own code is not for us to mend.
      if (!log.id?.includes('node_modules')) report(level, log);
    },
  });
  const { output } = await build.write({
    dir: outDir,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: chunkName,
  });
  await build.close();
  const modules = output.flatMap((chunk) => chunk.moduleIds ?? []);
  writeFileSync(path.join(outDir, LICENCES), licences(modules));
  const current = new Set([LICENCES, ...output.map((file) => file.fileName)]);
  for (const file of readdirSync(outDir)) if (!current.has(file)) rmSync(path.join(outDir, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle();
