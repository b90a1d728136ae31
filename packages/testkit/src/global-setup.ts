// What every vitest project with a server tier starts once per run: a build (children and threads run from dist), one
// Postgres and one Redis. Tests get at them through `testDatabase` and `testRedis`.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findRedis, startPostgres, startRedis } from '@millrace/local-servers';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string;
    redisUrl: string;
  }
}

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** Starts the servers and returns their end. A missing server fails the run, except Redis outside CI. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (process.env['MILLRACE_TEST_BUILT'] !== '1') {
    for (const args of [['node_modules/typescript/bin/tsc', '-b'], ['scripts/bundle.mjs']])
      execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  }
  const postgres = await startPostgres({ fsync: false });
  project.provide('postgresUrl', postgres.url());
  const source = await findRedis({ install: process.env['CI'] === 'true' });
  const redis = source.kind === 'binary' ? await startRedis({ binary: source.path }) : undefined;
  const redisUrl = redis?.url ?? (source.kind === 'url' ? source.url : '');
  if (redisUrl === '' && process.env['CI'] === 'true')
    throw new Error(`tests need Redis: ${source.kind === 'none' ? source.reason : ''}`);
  project.provide('redisUrl', redisUrl);
  return async () => {
    await redis?.[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  };
}
