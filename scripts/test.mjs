// `npm test`: installs and builds what is missing, finds the servers, runs every tier, and ends with the plain line
// `N passed, N failed`. With --every-postgres also the core on the other Postgres versions. With --full,
// --faults or --interop it runs the longer campaigns; with --full --postgres VERSION or --full --node VERSION only what
// a full run does on that version, of 14 to 18 and of 20 and later.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, fail, has, install, root, run } from './lib.mjs';

const mode = process.argv.includes('--full')
  ? 'full'
  : process.argv.includes('--faults')
    ? 'faults'
    : process.argv.includes('--interop')
      ? 'interop'
      : 'standard';
const ci = process.env.CI === 'true';
const cacheDir = path.join(root, '.cache/packages');

const TIERS = {
  standard: ['unit', 'pg', 'redis', 'broker', 'golden', 'e2e', 'fault'],
  full: ['unit', 'pg', 'redis', 'broker', 'golden', 'e2e', 'fault', 'interop'],
  faults: ['fault'],
  interop: ['interop', 'broker'],
}[mode];

/** Server versions that a full run takes beside the one that is installed. */
const OTHER_POSTGRES = ['14', '16', '17', '18'];

/** The shop from table to cache: what says in one file that the parts fit. */
const SHOP = 'packages/cli/src/shop.e2e.test.ts';

/** What is run: vitest projects, some of them in part, some on another Postgres or under another Node. */
async function plan() {
  const postgres = versionsOf('--postgres');
  const node = versionsOf('--node');
  const runs = postgres.length + node.length > 0 ? [] : TIERS.map((tier) => ({ name: tier, tier }));
  const everyPostgres = mode === 'full' || process.argv.includes('--every-postgres');
  const others = runs.length > 0 && everyPostgres ? OTHER_POSTGRES : postgres;
  for (const version of others) runs.push(...(await orBroken(`Postgres ${version}`, onPostgres(version))));
  for (const version of node) runs.push(...(await orBroken(`Node ${version}`, underNode(version))));
  return runs;
}

/** What cannot be had counts as one failure, and the rest runs. */
async function orBroken(name, runs) {
  try {
    return await runs;
  } catch (error) {
    return [{ name, broken: String(error.cause ?? error) }];
  }
}

/** The values of a flag that may come several times. */
function versionsOf(flag) {
  return process.argv.flatMap((argument, i) => {
    if (argument !== flag) return [];
    const version = process.argv[i + 1];
    if (mode !== 'full' || !/^\d+$/.test(version ?? ''))
      fail(`Usage: npm run test:full -- ${flag} VERSION, with a major version such as 17 or 22.`);
    return [version];
  });
}

const localServers = () => import('../packages/local-servers/dist/index.js');

async function onPostgres(version) {
  const { fetchPostgres } = await localServers();
  const env = {
    PG_BIN: await fetchPostgres(version, { cacheDir, say: console.error }),
    MILLRACE_TEST_POSTGRES: version,
  };
  const core = { pg: [], e2e: [SHOP] };
  const parts = mode === 'full' ? { ...core, golden: ['packages/cli/src/cdc.golden.test.ts'] } : core;
  return Object.entries(parts).map(([tier, files]) => ({
    name: `${tier}, Postgres ${version}`,
    tier,
    files,
    env,
  }));
}

async function underNode(version) {
  const { fetchPackage } = await localServers();
  const [system, file] = process.platform === 'win32' ? ['win', 'node.exe'] : [process.platform, 'node'];
  const name = `node-${system}-${process.arch}`;
  const node = path.join(await fetchPackage(name, version, { cacheDir, say: console.error }), 'bin', file);
  const parts = { unit: [], e2e: [SHOP] };
  return Object.entries(parts).map(([tier, files]) => ({
    name: `${tier}, Node ${version}`,
    tier,
    files,
    node,
  }));
}

/** Programs that tests drive: the package of Debian and Ubuntu that holds each, installed when we may. */
const PROGRAMS = { 'redis-server': 'redis-server', kcat: 'kcat', python3: 'python3' };

async function findPrograms() {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !has(program));
  if (missing.length === 0) return;
  const mayInstall = process.getuid?.() === 0 && has('apt-get');
  if (mayInstall) {
    const packages = missing.map(([, name]) => name);
    console.error(`Installing ${packages.join(', ')} with apt-get ...`);
    await run('apt-get', ['update', '-q'], { quiet: true });
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], {
      quiet: true,
      env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    });
  }
  const still = Object.keys(PROGRAMS).filter(
    (program) => !has(program) && !(program === 'redis-server' && process.env.REDIS_URL),
  );
  if (still.length === 0) return;
  const message = `${still.join(', ')} not found: ${ci ? 'in CI they must be there' : 'the tests that need them fail or are skipped by name'}.`;
  if (ci) fail(message);
  console.error(message);
}

/** Runs one vitest project, or some files of it, and returns its counts and failures. */
async function runTier({ name, tier, files = [], env = {}, node = process.execPath }, folder) {
  const report = path.join(folder, `${name.replaceAll(/\W+/g, '-')}.json`);
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    tier,
    '--reporter=dot',
    '--reporter=./scripts/test-report.mjs',
    '--passWithNoTests',
    ...files,
  ];
  const { code } = await run(node, args, {
    env: {
      MILLRACE_TEST_BUILT: '1',
      MILLRACE_TEST_MODE: mode,
      MILLRACE_TEST_REPORT: report,
      NODE_OPTIONS: '',
      ...env,
    },
  });
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    if (code === 0 || result.failed > 0) return result;
    return { ...result, ...broken(name, `vitest ended with code ${code}`) };
  } catch {
    return { passed: 0, skipped: 0, ...broken(name, `vitest ended with code ${code} and wrote no report`) };
  }
}

/** What has failed where no test has. */
function broken(name, message) {
  return { failed: 1, failures: [{ name, message }] };
}

function indented(text) {
  return text.replaceAll(/^/gm, '    ');
}

await install();
await findPrograms();
await build();
const parts = await plan();
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
for (const part of parts) {
  const start = performance.now();
  const result = part.broken
    ? { passed: 0, skipped: 0, ...broken(part.name, part.broken) }
    : await runTier(part, folder);
  const { passed, failed, skipped } = result;
  console.log(
    `\n[${part.name}] ${passed} passed, ${failed} failed, ${skipped} skipped in ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const where = part.name === part.tier ? '' : `[${part.name}] `;
  failures.push(...result.failures.map(({ name, message }) => `  ${where}${name}\n${indented(message)}`));
}
rmSync(folder, { recursive: true, force: true });
if (failures.length > 0) console.log(`\nFailed:\n${failures.join('\n')}`);
if (total.passed === 0) total.failed ||= 1;
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed === 0 ? 0 : 1);
