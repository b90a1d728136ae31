// Writes the tables of config keys in docs/reference/configuration.md from the definitions that validation uses, and
// the MBeans in docs/reference/metrics.md, and the places of each invariant in INVARIANTS.md from the sources. Needs a build. `--check` changes nothing and exits 1
// when a page is not up to date.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const load = (file) => import(pathToFileURL(path.join(ROOT, file)).href);

const ACCEPTED_ONLY = /^Accepted for compatibility/;

/** A definition as a table. Keys that are accepted without effect are listed by name below it. */
function keyTable(definition) {
  const keys = [...definition.keys.values()].filter(
    (key) => !key.internal && !key.name.startsWith('internal.'),
  );
  const rows = keys
    .filter((key) => !ACCEPTED_ONLY.test(key.doc))
    .map((key) => `| \`${key.name}\` | ${defaultOf(key)} | ${sentence(key)} |`);
  const others = keys.filter((key) => ACCEPTED_ONLY.test(key.doc)).map((key) => `\`${key.name}\``);
  const without = others.length === 0 ? [] : ['', `Accepted without effect: ${others.join(', ')}.`];
  return ['| key | default | |', '|---|---|---|', ...rows, ...without].join('\n');
}

function defaultOf(key) {
  if (key.default === undefined) return 'required';
  if (key.default === null || key.default === '' || key.default.length === 0) return '';
  return `\`${[key.default].flat().join(',')}\``;
}

function sentence(key) {
  const aliases = key.aliases?.length ? ` Also: ${key.aliases.map((name) => `\`${name}\``).join(', ')}.` : '';
  return `${key.doc}${aliases}`.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** Files that name an invariant, sources and tests apart. */
function invariantPlaces(number) {
  const pattern = `INV-${number}\\b`;
  const found = grep(['-lE', pattern, '--', 'packages/*/src/*.ts', 'connectors/*/src/*.ts']);
  const isTest = (file) => file.endsWith('.test.ts');
  const links = (files) => files.map((file) => `[${shortName(file)}](${file})`).join(' · ');
  const sources = found.filter((file) => !isTest(file));
  const tests = found.filter(isTest);
  const lines = [];
  if (sources.length > 0) lines.push(`Upheld in ${links(sources)}`);
  if (tests.length > 0) lines.push(`Tested in ${links(tests)}`);
  return lines.join('\\\n');
}

function grep(args) {
  try {
    return execFileSync('git', ['grep', '--untracked', ...args], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n');
  } catch (error) {
    if (error.status === 1) return []; // no match
    throw error;
  }
}

function shortName(file) {
  const [, name, , ...rest] = file.split('/');
  return `${name}/${rest.join('/')}`;
}

/** Replaces what stands between `<!-- name -->` and the next `<!-- ...:end -->`. */
function fill(text, name, content) {
  const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- \\w+:end -->)`);
  if (!section.test(text)) throw new Error(`no section ${name}`);
  return text.replace(
    section,
    (_match, open, close) => `${open}${content}${content === '' ? '' : '\n'}${close}`,
  );
}

async function configurationPage(text) {
  const { workerConfigDef } = await load('packages/connect-runtime/dist/config/worker-config.js');
  const { plugin: postgres } = await load('connectors/postgres/dist/index.js');
  const { plugin: redis } = await load('connectors/redis/dist/index.js');
  const tables = { worker: workerConfigDef, postgres: postgres.configDef, redis: redis.configDef };
  return Object.entries(tables).reduce(
    (page, [name, definition]) => fill(page, `keys:${name}`, keyTable(definition)),
    text,
  );
}

function invariantsPage(text) {
  const numbers = [...text.matchAll(/<!-- places:(\d+) -->/g)].map((match) => match[1]);
  return numbers.reduce((page, number) => fill(page, `places:${number}`, invariantPlaces(number)), text);
}

/** A table for each MBean; those with the same type and labels are one. */
async function metricsPage(text) {
  const { MBEANS, seriesName, isCounter } = await load('packages/connect-runtime/dist/metrics/mbeans.js');
  const sections = new Map();
  for (const { types, labels, attributes } of Object.values(MBEANS)) {
    for (const type of types) {
      const title = [`type=${type}`, ...labels].join(',');
      const rows = Object.entries(attributes).map(([attribute, about]) => {
        const name = seriesName(type, attribute);
        const kind = about.text ? 'text' : isCounter(attribute) ? 'counter' : 'gauge';
        return `| \`${attribute}\` | \`${name}\` | ${kind} | ${about.text ?? about} |`;
      });
      sections.set(title, [...(sections.get(title) ?? []), ...rows]);
    }
  }
  const tables = [...sections].map(
    ([title, rows]) =>
      `\n## \`${title}\`\n\n| attribute | series | | |\n|---|---|---|---|\n${rows.join('\n')}`,
  );
  return fill(text, 'mbeans:all', tables.join('\n'));
}

const PAGES = {
  'docs/reference/configuration.md': configurationPage,
  'docs/reference/metrics.md': metricsPage,
  'INVARIANTS.md': invariantsPage,
};
const check = process.argv.includes('--check');
for (const [file, write] of Object.entries(PAGES)) {
  const before = readFileSync(path.join(ROOT, file), 'utf8');
  const after = await write(before);
  if (after === before) continue;
  if (check) {
    process.stderr.write(`${file} is not up to date: run node scripts/reference.mjs\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(path.join(ROOT, file), after);
    process.stdout.write(`${file} written\n`);
  }
}
