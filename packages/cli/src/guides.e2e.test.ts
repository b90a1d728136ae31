// Does what the guides say, command by command, in a folder that looks like a checkout: each block of sh is run as it
// is printed, but for the ports, and what a block of text shows has to be in what the commands before it printed.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-servers';
import { eventually } from '@millrace/testkit';
import { expect, test } from 'vitest';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const LIKE_A_CHECKOUT = ['node_modules', 'packages', 'connectors', 'examples', 'scripts', 'package.json'];

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(guide: string): Block[] {
  const text = readFileSync(path.join(root, 'docs/guides', guide), 'utf8');
  return [...text.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '',
    text: match[2] ?? '',
  }));
}

/** A user at a terminal in a checkout. */
class Terminal implements AsyncDisposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'millrace-guide-'));
  readonly #ports: ReadonlyMap<string, number>;
  readonly #servers: ChildProcess[] = [];

  constructor(ports: ReadonlyMap<string, number>) {
    this.#ports = ports;
    for (const name of LIKE_A_CHECKOUT) symlinkSync(path.join(root, name), path.join(this.#folder, name));
  }

  /** Runs a block to its end, or a server until it is ready. */
  async run(block: string): Promise<string> {
    const command = block.replaceAll(
      /127\.0\.0\.1:(\d+)/g,
      (_, port: string) => `127.0.0.1:${this.#port(port)}`,
    );
    const child = spawn('bash', ['-e', '-c', command], {
      cwd: this.#folder,
      detached: true,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        MILLRACE_URL: `http://127.0.0.1:${this.#port('8083')}`,
        MILLRACE_BOOTSTRAP: `127.0.0.1:${this.#port('9092')}`,
      },
    });
    this.#servers.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    if (command.startsWith('npx millrace start')) {
      await eventually('the ready line', () => /^ready /m.test(output) || child.exitCode !== null, 60_000);
      expect(output).toMatch(/^ready /m);
      return output;
    }
    expect(await ended, `${command}\n${output}`).toBe(0);
    return output;
  }

  #port(printed: string): number {
    const port = this.#ports.get(printed);
    if (port === undefined) throw new Error(`the guide names port ${printed}, which this test does not know`);
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#servers) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      process.kill(-child.pid, 'SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

test.each(['write-a-connector.md', 'write-a-transform.md'])(
  '%s leads from nothing to running',
  async (guide) => {
    const ports = new Map([
      ['8083', await freePort()],
      ['9092', await freePort()],
    ]);
    await using terminal = new Terminal(ports);
    let printed = '';
    const blocks = blocksOf(guide);
    expect(blocks.filter(({ language }) => language === 'text').length).toBeGreaterThan(0);
    for (const { language, text } of blocks) {
      if (language === 'sh') printed = await terminal.run(text);
      else expect(printed).toContain(text.trim());
    }
  },
);
