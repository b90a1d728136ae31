// Checks what npm would publish, without publishing: every package of the workspace that is not private holds what its
// manifest points to, and no tests, fixtures or build state; and needs nothing that only a checkout has. Needs a build.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build, fail, install, root, run } from './lib.mjs';

const UNWANTED = /\.test\.|(^|\/)(fixtures|testing|testdata)\/|\.tsbuildinfo$|\.bench\./;

/** Paths that `exports` and `bin` name. */
function targetsOf(manifest) {
  const found = [];
  const collect = (value) => {
    if (typeof value === 'string') found.push(value);
    else for (const inner of Object.values(value ?? {})) collect(inner);
  };
  collect(manifest.exports);
  collect(manifest.bin);
  return found.map((target) => path.posix.normalize(target));
}

function problemsOf(manifest, files, published) {
  const problems = targetsOf(manifest)
    .filter((target) => !files.includes(target))
    .map((target) => `${target} is named by the manifest and not in the package`);
  problems.push(
    ...files.filter((file) => UNWANTED.test(file)).map((file) => `${file} does not belong into it`),
  );
  for (const [name, version] of Object.entries(manifest.dependencies ?? {})) {
    if (!name.startsWith('@millrace/')) continue;
    const wanted = published.get(name);
    if (wanted === undefined) problems.push(`it depends on ${name}, which is not published`);
    else if (wanted !== version) problems.push(`it depends on ${name} ${version}, but that is at ${wanted}`);
  }
  return problems;
}

await install();
await build();
const packed = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--workspaces'], {
  quiet: true,
  env: { npm_config_loglevel: 'silent' },
});
if (packed.code !== 0) fail(`npm pack failed:\n${packed.output}`);
const report = JSON.parse(packed.output);
const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
const folders = new Map(
  Object.entries(lock.packages)
    .filter(([name, entry]) => entry.link === true && name.startsWith('node_modules/'))
    .map(([name, entry]) => [name.slice('node_modules/'.length), entry.resolved]),
);
const manifests = new Map(
  [...folders].map(([name, folder]) => [
    name,
    JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')),
  ]),
);
const published = new Map(
  [...manifests].filter(([, { private: secret }]) => !secret).map(([name, { version }]) => [name, version]),
);
const problems = Object.values(report)
  .filter(({ name }) => published.has(name))
  .flatMap(({ name, files }) =>
    problemsOf(
      manifests.get(name),
      files.map((file) => file.path),
      published,
    ).map((problem) => `${name}: ${problem}`),
  );
if (published.size === 0) problems.push('no package to check');
if (problems.length > 0) fail(problems.join('\n'));
console.log(`${published.size} packages are fit to be published.`);
