// Passing this suite is what being a source connector of Millrace means.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeSourceConnector } from '@millrace/testkit';
import { plugin } from './connector.ts';

describeSourceConnector('folder-source', {
  plugin,
  unusableConfig: { folder: '/nowhere', topic: 'files' },
  textOf: (record) => String(record.value),
  async open() {
    const folder = await mkdtemp(path.join(tmpdir(), 'folder-source-'));
    return {
      config: { folder, topic: 'files' },
      async change(count) {
        const from = (await readdir(folder)).length;
        const texts = Array.from({ length: count }, (_, i) => `text ${from + i}`);
        for (const [i, text] of texts.entries()) {
          await writeFile(path.join(folder, `${String(from + i).padStart(6, '0')}.txt`), text);
        }
        return texts;
      },
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true });
      },
    };
  },
});
