// `npm run test:differential -- --events 100000`: the same random changes through real Debezium on real Kafka and through
// Millrace, compared event by event. `--seed N` repeats a run, `--config NAME` takes one connector config only,
// `--report FILE` keeps the summary, and the SQL of each config beside it.
import path from 'node:path';
import { build, fail, install, run } from './lib.mjs';

const FLAGS = {
  '--events': 'MILLRACE_DIFFERENTIAL_EVENTS',
  '--seed': 'MILLRACE_TEST_SEED',
  '--config': 'MILLRACE_DIFFERENTIAL_ONLY',
  '--report': 'MILLRACE_DIFFERENTIAL_REPORT',
};

const env = { MILLRACE_TEST_BUILT: '1', NODE_OPTIONS: '' };
const given = process.argv.slice(2);
for (let i = 0; i < given.length; i += 2) {
  const name = FLAGS[given[i]];
  const value = given[i + 1];
  const usable = given[i] === '--events' || given[i] === '--seed' ? /^\d+$/.test(value ?? '') : value;
  if (name === undefined || !usable)
    fail(
      'Usage: npm run test:differential -- [--events NUMBER] [--seed NUMBER] [--config NAME] [--report FILE]',
    );
  env[name] = given[i] === '--report' ? path.resolve(value) : value;
}

await install();
await build();
const file = 'packages/cli/src/differential.interop.test.ts';
const { code } = await run(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'interop', file],
  { env },
);
process.exit(code);
