// `npm test`: installs and builds what is missing, finds the servers, runs every tier, and ends with the plain line
// `N passed, N failed`. With --full, --faults or --interop it runs the longer campaigns.
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

const TIERS = {
  standard: ['unit', 'pg', 'redis', 'broker', 'golden', 'e2e', 'fault'],
  full: ['unit', 'pg', 'redis', 'broker', 'golden', 'e2e', 'fault', 'interop'],
  faults: ['fault'],
  interop: ['interop', 'broker'],
}[mode];

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

/** Runs one vitest project and returns its counts. */
async function runTier(tier, folder) {
  const report = path.join(folder, `${tier}.json`);
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    tier,
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${report}`,
    '--passWithNoTests',
  ];
  const { code } = await run(process.execPath, args, {
    env: { MILLRACE_TEST_BUILT: '1', MILLRACE_TEST_MODE: mode, NODE_OPTIONS: '' },
  });
  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      names: [`${tier}: vitest ended with code ${code} and wrote no report`],
    };
  }
  const names = [];
  for (const file of result.testResults ?? []) {
    if (file.status === 'failed' && file.assertionResults.length === 0)
      names.push(`${path.relative(root, file.name)}: ${String(file.message).split('\n')[0]}`);
    for (const test of file.assertionResults)
      if (test.status === 'failed') names.push(`${path.relative(root, file.name)} > ${test.fullName}`);
  }
  const brokenFiles = names.length - result.numFailedTests;
  const failed = result.numFailedTests + Math.max(0, brokenFiles);
  return {
    passed: result.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: result.numPendingTests + (result.numTodoTests ?? 0),
    names: failed === 0 && code !== 0 ? [`${tier}: vitest ended with code ${code}`] : names,
  };
}

await install();
await findPrograms();
await build();
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
for (const tier of TIERS) {
  const start = performance.now();
  const { passed, failed, skipped, names } = await runTier(tier, folder);
  console.log(
    `\n[${tier}] ${passed} passed, ${failed} failed, ${skipped} skipped in ${((performance.now() - start) / 1000).toFixed(1)} s`,
  );
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  failures.push(...names);
}
rmSync(folder, { recursive: true, force: true });
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((name) => `  ${name}`).join('\n')}`);
if (total.passed === 0) total.failed ||= 1;
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed === 0 ? 0 : 1);
