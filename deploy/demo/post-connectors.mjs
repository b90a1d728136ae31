// Posts connector configs to a worker: `node post-connectors.mjs FILE...`, with MILLRACE_URL (http://127.0.0.1:8083).
// Waits for the worker, then PUTs each {"name", "config"} to /connectors/NAME/config, so that running it again
// changes nothing. Ends with 0 when every connector and all their tasks run, with 1 otherwise. Node built-ins only.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const url = (process.env.MILLRACE_URL ?? 'http://127.0.0.1:8083').replace(/\/$/, '');
const deadline = Date.now() + Number(process.env.MILLRACE_WAIT_SECONDS ?? 60) * 1000;
const POLL_MS = 250;

/** Calls the worker; null when it cannot be reached. */
async function call(method, path, body) {
  try {
    const response = await fetch(url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(100_000),
    });
    const text = await response.text();
    return { status: response.status, ok: response.ok, text };
  } catch {
    return null;
  }
}

/** Repeats until `done` accepts the answer or time is up. */
async function callUntil(done, method, path, body) {
  for (;;) {
    const answer = await call(method, path, body);
    if (answer && done(answer)) return answer;
    if (Date.now() > deadline) {
      const last = answer ? `HTTP ${answer.status}: ${answer.text}` : 'no connection';
      throw new Error(`${method} ${url}${path} did not succeed in time; last answer: ${last}`);
    }
    await sleep(POLL_MS);
  }
}

async function readExample(file) {
  const example = JSON.parse(await readFile(file, 'utf8'));
  if (typeof example.name !== 'string' || typeof example.config !== 'object' || example.config === null) {
    throw new Error(`${file}: expected {"name": "...", "config": {...}}`);
  }
  return example;
}

/** States of the connector and its tasks; `failed` is the first line of the first error. */
function judge(text) {
  const { connector, tasks } = JSON.parse(text);
  const parts = [connector, ...tasks];
  const failed = parts.find((part) => part.state === 'FAILED');
  return {
    running: tasks.length > 0 && parts.every((part) => part.state === 'RUNNING'),
    failed: failed && String(failed.trace ?? '').split('\n')[0],
  };
}

async function post(file) {
  const { name, config } = await readExample(file);
  const path = `/connectors/${encodeURIComponent(name)}`;
  // 409 and 5xx pass while a worker joins its group.
  const put = await callUntil((a) => a.status !== 409 && a.status < 500, 'PUT', `${path}/config`, config);
  if (!put.ok) throw new Error(`${name}: HTTP ${put.status}: ${put.text}`);
  // A failed task may be one that starts again by itself: only time decides.
  const status = await callUntil(
    (a) => a.ok && (judge(a.text).running || Date.now() > deadline),
    'GET',
    `${path}/status`,
  );
  const { running, failed } = judge(status.text);
  if (!running) throw new Error(`${name} is not running: ${failed ?? status.text}`);
  return `${name}: running (${put.status === 201 ? 'created' : 'updated'})`;
}

const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write('usage: node post-connectors.mjs FILE...\n');
  process.exit(2);
}
try {
  await callUntil((answer) => answer.ok, 'GET', '/connectors');
  for (const file of files) process.stdout.write(`${await post(file)}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
