// The file connectors under the suites that every connector passes.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeSinkConnector, describeSourceConnector } from '@millrace/testkit';
import { fileStreamSink, fileStreamSource } from './index.ts';

/** A file of a test's own, in a folder that goes with it. */
class TestFile implements AsyncDisposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'millrace-file-'));
  readonly path: string = path.join(this.#folder, 'lines.txt');

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describeSourceConnector('FileStreamSource', {
  plugin: fileStreamSource,
  unusableConfig: { topic: 't' },
  textOf: (record) => String(record.value),
  open: async () => {
    const file = new TestFile();
    appendFileSync(file.path, '');
    let changes = 0;
    return {
      config: { file: file.path, topic: 'lines' },
      change: async (count) => {
        const lines = Array.from({ length: count }, () => `line ${++changes} ${'ü'.repeat(changes)}`);
        appendFileSync(file.path, lines.map((line) => `${line}\n`).join(''));
        return lines;
      },
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  },
});

describeSinkConnector('FileStreamSink', {
  plugin: fileStreamSink,
  unusableConfig: { file: path.join(tmpdir(), 'no-such-folder-of-millrace/out.txt') },
  repeats: 'appear again',
  open: async () => {
    const file = new TestFile();
    return {
      config: { file: file.path },
      texts: async () =>
        existsSync(file.path) ? readFileSync(file.path, 'utf8').split('\n').slice(0, -1) : [],
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  },
});
