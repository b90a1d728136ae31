/** Conformance suites, real-server harness and golden reader. */
export { describeSchema, describeValue, GoldenValues } from './golden-values.ts';
export { goldenLines, goldenPath } from './goldens.ts';
export { type MillraceOptions, MillraceProcess, startMillrace } from './millrace-process.ts';
export { type TestDatabase, testDatabase } from './test-database.ts';
export { testRedis } from './test-redis.ts';
export { eventually } from './waiting.ts';
