// Runs a program that others wrote.
import { spawn } from 'node:child_process';

/** What it printed; rejects with what it said when it fails or takes too long. */
export function runProgram(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  input: string = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { timeout: timeoutMs });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}: ${errors}`));
    });
    child.stdin.on('error', () => undefined); // it ended before it had read everything
    child.stdin.end(input);
  });
}
