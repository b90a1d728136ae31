#!/usr/bin/env node
// The command `millrace`. It is committed, so that npm links it before the first build. CommonJS (package.json beside
// it), because loading a module already starts the thread pool, whose size has to be set before: fsync shares the pool
// with everything else that blocks.
process.env.UV_THREADPOOL_SIZE ??= '16';
import('../bundle/main.js').catch((error) => {
  process.stderr.write(`${error?.stack ?? error}\n`);
  process.exit(1);
});
