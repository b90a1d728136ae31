// Runs recorded scenarios of a real Kafka against a broker; see testdata/goldens/kafka/README.md.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

/** The folder of the recordings, with a slash at the end. */
export const GOLDENS: string = fileURLToPath(new URL('../../../../testdata/goldens/kafka/', import.meta.url));

const hasPython = spawnSync('python3', ['--version']).error === undefined;
/** In CI python3 must be there; elsewhere its absence is a named skip. */
export const testGoldens: typeof test.skip = hasPython || process.env['CI'] === 'true' ? test : test.skip;

export interface ReplayRequest {
  readonly file: string;
  /** HOST:PORT by the player's name of the listener. */
  readonly listeners: { readonly bootstrap: string; readonly sasl?: string; readonly ssl?: string };
  readonly ids: readonly string[];
  readonly jobs: number;
}

/** Resolves with what the player printed. */
export function replay(request: ReplayRequest): Promise<{ code: number | null; output: string }> {
  const only = `^(?:${request.ids.map((id) => id.replaceAll('.', '\\.')).join('|')})$`;
  const listeners = Object.entries(request.listeners).flatMap(([name, address]) => [`--${name}`, address]);
  const args = [`${GOLDENS}replay.py`, 'verify', ...listeners, `${GOLDENS}${request.file}`];
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [...args, '--only', only, '--jobs', String(request.jobs)]);
    let output = '';
    const note = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
