// Test tiers by file suffix; see docs/architecture/testing.md. Workspace packages resolve to their sources,
// while threads and child processes run from dist, which the global set-up builds.
import { defineConfig } from 'vitest/config';

const SERVER_TIERS = ['pg', 'redis', 'broker', 'e2e', 'interop', 'fault', 'golden'] as const;
const shared = {
  resolve: { conditions: ['@millrace/source'] },
  ssr: { resolve: { conditions: ['@millrace/source'] } },
};
const ROOTS = ['packages', 'connectors', 'bench'];

export default defineConfig({
  ...shared,
  test: {
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: false,
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ROOTS.map((root) => `${root}/*/src/**/*.test.ts`),
          exclude: ['**/dist/**', ...SERVER_TIERS.map((tier) => `**/*.${tier}.test.ts`)],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      ...SERVER_TIERS.map((tier) => ({
        ...shared,
        test: {
          name: tier,
          include: ROOTS.map((root) => `${root}/*/src/**/*.${tier}.test.ts`),
          exclude: ['**/dist/**'],
          globalSetup: ['packages/testkit/src/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      })),
    ],
  },
});
