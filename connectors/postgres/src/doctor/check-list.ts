// Gathers findings in the order in which things are looked at.
import type { Finding } from '@millrace/connect-api';

export class CheckList {
  readonly findings: Finding[] = [];

  ok(check: string, detail: string): void {
    this.findings.push({ check, state: 'ok', detail });
  }
  warning(check: string, detail: string, fix: readonly string[]): void {
    this.findings.push({ check, state: 'warning', detail, fix });
  }
  problem(
    check: string,
    detail: string,
    fix: readonly string[],
    about: Finding['about'] = 'environment',
  ): void {
    this.findings.push({ check, state: 'problem', detail, fix, about });
  }
}

/** Some names of many, for a line. */
export function someOf(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** `1.5 GB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
