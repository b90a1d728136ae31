// The worker end to end with the file connectors: kills, isolation, and what REST says meanwhile.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-worker-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = { 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' };

async function create(
  millrace: MillraceProcess,
  name: string,
  config: Record<string, string>,
): Promise<void> {
  const { status, body } = await millrace.request('POST', '/connectors', {
    name,
    config: { ...TEXT, ...config },
  });
  expect(status, JSON.stringify(body)).toBe(201);
}

function linesOf(file: string): number[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => Number(line.replace('line ', '')));
}

async function reaches(
  millrace: MillraceProcess,
  name: string,
  state: string,
  timeoutMs: number,
): Promise<void> {
  const seen = async (): Promise<boolean> => {
    const { body } = await millrace.request('GET', `/connectors/${name}/status`);
    return (body as { tasks?: { state: string }[] }).tasks?.[0]?.state === state;
  };
  await eventually(`task of ${name} is ${state}`, seen, timeoutMs);
}

describe('millrace start with file connectors', () => {
  it('INV-1 INV-2 INV-3: SIGKILLs lose no line, and a replay repeats a contiguous range', {
    timeout: 120_000,
  }, async () => {
    const input = path.join(folder, 'in.txt');
    const output = path.join(folder, 'out.txt');
    writeFileSync(input, '');
    await using millrace = await startMillrace();
    await create(millrace, 'source', { 'connector.class': 'FileStreamSource', file: input, topic: 'lines' });
    await create(millrace, 'sink', { 'connector.class': 'FileStreamSink', file: output, topics: 'lines' });
    let written = 0;
    for (let round = 0; round < 4; round++) {
      const lines = Array.from({ length: 5000 }, (_, i) => `line ${written + i}\n`);
      written += lines.length;
      appendFileSync(input, lines.join(''));
      // Kill in the middle of the work of every round but the last.
      const wanted = round === 3 ? written - 1 : written - 4000;
      await eventually(`line ${wanted}`, () => linesOf(output).includes(wanted), 60_000);
      if (round < 3) await millrace.crash();
    }
    let highest = -1;
    for (const line of linesOf(output)) {
      expect(line).toBeLessThanOrEqual(highest + 1);
      highest = Math.max(highest, line);
    }
    expect(highest).toBe(written - 1);
  });

  it('INV-6: a task that cannot end holds up neither another connector nor REST', {
    timeout: 60_000,
  }, async () => {
    await using millrace = await startMillrace();
    const input = path.join(folder, 'isolated.txt');
    writeFileSync(input, 'line 0\n');
    await create(millrace, 'stuck', {
      'connector.class': 'FileStreamSource',
      file: input,
      topic: 'nowhere',
      'producer.override.bootstrap.servers': '127.0.0.1:1',
    });
    await reaches(millrace, 'stuck', 'RUNNING', 10_000);
    expect((await millrace.request('DELETE', '/connectors/stuck')).status).toBe(204);
    await create(millrace, 'free', {
      'connector.class': 'FileStreamSource',
      file: input,
      topic: 'somewhere',
    });
    await reaches(millrace, 'free', 'RUNNING', 3000);
  });

  it('INV-7: restarts a task that failed for a passing reason by itself', { timeout: 60_000 }, async () => {
    await using millrace = await startMillrace({ properties: { 'task.restart.backoff.ms': '200' } });
    const missing = path.join(folder, 'later');
    writeFileSync(path.join(folder, 'feed.txt'), 'line 0\n');
    await create(millrace, 'sink', {
      'connector.class': 'FileStreamSink',
      file: path.join(missing, 'out.txt'),
      topics: 'feed',
    });
    await reaches(millrace, 'sink', 'FAILED', 10_000);
    const { body } = await millrace.request('GET', '/connectors/sink/tasks/0/status');
    expect((body as { trace: string }).trace).toMatch(
      /Couldn't find or create file[\s\S]*restarts this task by itself/,
    );
    mkdirSync(missing);
    await reaches(millrace, 'sink', 'RUNNING', 20_000);
  });

  it('restarts a task no more often than errors.max.retries of its connector says', {
    timeout: 60_000,
  }, async () => {
    await using millrace = await startMillrace({ properties: { 'task.restart.backoff.ms': '60000' } });
    writeFileSync(path.join(folder, 'few.txt'), 'line 0\n');
    await create(millrace, 'few', {
      'connector.class': 'FileStreamSink',
      file: path.join(folder, 'never', 'out.txt'),
      topics: 'few',
      'errors.max.retries': '2',
      'retriable.restart.connector.wait.ms': '50',
    });
    // The last failure has no restart after it.
    await eventually('the task is left FAILED', async () => {
      const { body } = await millrace.request('GET', '/connectors/few/tasks/0/status');
      const { state, trace } = body as { state: string; trace?: string };
      return state === 'FAILED' && trace !== undefined && !trace.includes('restarts this task by itself');
    });
  });

  it('reaches connectors whose names need escaping', { timeout: 60_000 }, async () => {
    await using millrace = await startMillrace();
    const name = 'a/b %ü\\';
    await create(millrace, name, {
      'connector.class': 'FileStreamSink',
      topics: 'none',
      file: path.join(folder, 'x'),
    });
    const { status, body } = await millrace.request('GET', `/connectors/${encodeURIComponent(name)}`);
    expect([status, (body as { name: string }).name]).toEqual([200, name]);
    expect((await millrace.request('DELETE', `/connectors/${encodeURIComponent(name)}`)).status).toBe(204);
  });
});
