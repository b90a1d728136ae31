// Runs the example of the guide as it is printed, against a real Postgres: changes, an end in order, another run.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../..');
const example = path.join(root, 'examples/embedded/print-changes.mjs');

test('the example prints every change once, over an end in order', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-example-'));
  await using database = await testDatabase();
  await database.query(`
    create table customers (id integer primary key, name text);
    create table orders (id bigint primary key, customer integer, total numeric(10, 2));
    insert into customers values (1, 'Ada');
  `);
  const env = { ...process.env, DATABASE_URL: database.url, OFFSETS: path.join(folder, 'offsets.json') };
  let printed = '';
  const run = (): { end(): Promise<number | null> } => {
    const child = spawn(process.execPath, [example], { env, cwd: folder });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
    return {
      end: () => {
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
        child.kill('SIGINT');
        return ended;
      },
    };
  };
  const prints = async (lines: readonly string[]): Promise<void> => {
    const wanted = `${lines.join('\n')}\n`;
    await eventually('the changes', () => printed.length >= wanted.length);
    expect(printed).toBe(wanted);
    printed = '';
  };

  const first = run();
  await prints(["r customers { id: 1, name: 'Ada' }"]);
  await database.query(
    "insert into orders values (7, 1, 19.90); update customers set name = 'Ada L.' where id = 1",
  );
  await prints(["c orders { id: 7, customer: 1, total: '19.90' }", "u customers { id: 1, name: 'Ada L.' }"]);
  expect(await first.end()).toBe(0);
  await database.query('delete from orders where id = 7');
  const second = run();
  await prints(['d orders { id: 7, customer: null, total: null }']);
  expect(await second.end()).toBe(0);
  rmSync(folder, { recursive: true, force: true });
});

test('the guide prints the example as it is', () => {
  const guide = readFileSync(path.join(root, 'docs/guides/embedded.md'), 'utf8');
  expect(guide).toContain(`\`\`\`js\n${readFileSync(example, 'utf8')}\`\`\``);
});
