// What benches measure with: processes from outside, medians, and the lines they print.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { promisify } from 'node:util';

const TICKS_PER_SECOND = 100;

/** User and system seconds of a process, all its threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident megabytes now and at most so far. */
export function residentMb(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Seconds that `work` takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Seconds that `work` takes, by the clock and in CPU of a process. */
export async function measured(
  { pid }: { readonly pid: number },
  work: () => Promise<unknown>,
): Promise<{ readonly time: number; readonly cpu: number }> {
  const before = cpuSeconds(pid);
  const time = await seconds(work);
  return { time, cpu: cpuSeconds(pid) - before };
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A count as `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `--rows 100000` from the command line. */
export function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? fallback : Number(process.argv[at + 1]);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} needs a number above 0`);
  return value;
}

/** Whether a part of a bench is to run: all do without `--only NAME`. */
export function wants(part: string): boolean {
  const at = process.argv.indexOf('--only');
  return at < 0 || process.argv[at + 1] === part;
}

/**
 * Touches free memory and gives it back, before each measurement of either side: a virtual machine that returns free
 * memory to its host takes some 10 us for each page that is used again, and whoever writes most would pay for that.
 */
export async function warmMemory(): Promise<void> {
  const megabytes = Math.min(3072, Math.floor(freemem() / 2 ** 21));
  const touch = `for (let i = 0; i < ${megabytes}; i++) globalThis[i] = Buffer.allocUnsafeSlow(2 ** 20).fill(1)`;
  await promisify(execFile)(process.execPath, ['-e', touch]);
}
