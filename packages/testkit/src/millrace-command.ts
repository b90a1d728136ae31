// Commands as a user gives them: child processes with what they printed and how they ended.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from './child-environment.ts';

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../cli/bin/millrace.js');

export interface CommandOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** It is killed after this long; default 60 s. */
  readonly timeoutMs?: number;
  /** Given the child as soon as it runs. */
  readonly onStart?: (child: ChildProcess) => void;
}

export interface CommandResult {
  /** Null when a signal ended it, the one of the timeout too. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; an exit code other than 0 is a result and no error. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: childEnvironment(options.env),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    child.stdout.on('data', (chunk: Buffer) => printed.stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => printed.stderr.push(chunk));
    child.stdin.on('error', () => undefined); // it ended before it had read everything
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({
        code,
        stdout: Buffer.concat(printed.stdout).toString(),
        stderr: Buffer.concat(printed.stderr).toString(),
      });
    });
    child.stdin.end(options.input ?? '');
    options.onStart?.(child);
  });
}

/** Runs `millrace` with these arguments. */
export function runMillrace(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand(process.execPath, [bin, ...args], options);
}
