// `millrace version`.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';

/** The version of the package, as npm knows it. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}

export function registerVersion(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .action(() => {
      process.stdout.write(`millrace ${packageVersion()} (node ${process.version})\n`);
    });
}
