// A server as a child process in a process group of its own, so that Ctrl-C in a terminal reaches only its owner,
// who stops it in order. If the owner exits without stopping it, it is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { MillraceError } from '@millrace/foundation';

export interface ServerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** Asked every few milliseconds until true. */
  ready(): Promise<boolean> | boolean;
  readonly timeoutMs?: number;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a server and waits until it is ready. @throws local.start_failed with the end of its log. */
export async function startChild(server: ServerCommand): Promise<ChildProcess> {
  const log = openSync(server.logFile, 'a');
  const child = spawn(server.command, server.args, {
    stdio: ['ignore', log, log],
    detached: true,
    cwd: '/',
    env: server.env ?? process.env,
    ...(server.uid === undefined ? {} : { uid: server.uid }),
    ...(server.gid === undefined ? {} : { gid: server.gid }),
  });
  closeSync(log);
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const deadline = performance.now() + (server.timeoutMs ?? 30_000);
  while (!(await server.ready())) {
    if (
      failure !== undefined ||
      child.exitCode !== null ||
      child.signalCode !== null ||
      performance.now() > deadline
    ) {
      child.kill('SIGKILL');
      throw new MillraceError(
        'local.start_failed',
        `${server.name} did not start (log: ${server.logFile}): ${lastLines(server.logFile)}`,
        { cause: failure },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  child.unref();
  return child;
}

/** Sends a signal and waits for the end of the process; after the deadline it is killed. */
export async function stopChild(
  child: ChildProcess,
  signal: NodeJS.Signals,
  timeoutMs = 20_000,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}

function lastLines(file: string): string {
  if (!existsSync(file)) return 'no log was written';
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-5).join(' | ');
}
