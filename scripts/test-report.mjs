// What a run of vitest came to, as JSON in the file that MILLRACE_TEST_REPORT names: counts, and each failure with what
// it says, those too that belong to no test.
import { writeFileSync } from 'node:fs';

/** Lines of a failure that are kept. */
const LINES = 6;

export default class TestReport {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures = [];
    // What fails outside of tests, such as the end of a file, counts as one that failed.
    const add = (name, errors) => {
      if (errors.length === 0) return;
      counts.failed++;
      failures.push({ name, message: errors.map(told).join('\n') });
    };
    for (const module of modules) {
      add(module.relativeModuleId, module.errors());
      for (const suite of module.children.allSuites())
        add(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors());
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        // A test that never ended is one that failed.
        if (state === 'failed' || state === 'pending')
          add(name, errors.length > 0 ? errors : [new Error('it did not end')]);
        else counts[state]++;
      }
    }
    for (const error of unhandledErrors)
      add(`outside of every test, during ${error.VITEST_TEST_NAME ?? 'none'}`, [error]);
    writeFileSync(process.env.MILLRACE_TEST_REPORT, JSON.stringify({ ...counts, failures }));
  }
}

function told(error) {
  const text = String(error.stack ?? error.message ?? error);
  return text.split('\n').slice(0, LINES).join('\n');
}
