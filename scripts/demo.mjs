// `npm run demo`: installs and builds when needed, says how long that took, and hands over to `millrace demo`.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { build, install, root } from './lib.mjs';

const installed = await install();
const built = await build();
if (installed > 0 || built > 2)
  console.log(`Installed in ${installed.toFixed(1)} s, built in ${built.toFixed(1)} s.`);
const started = Date.now();
const child = spawn(
  process.execPath,
  [path.join(root, 'packages/cli/bin/millrace.js'), 'demo', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MILLRACE_DEMO_STARTED_MS: String(started) },
  },
);
// The terminal sends Ctrl-C to the whole group: the child ends in its own time and we follow.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
