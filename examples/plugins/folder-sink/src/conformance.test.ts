// Passing this suite is what being a sink connector of Millrace means.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeSinkConnector } from '@millrace/testkit';
import { plugin } from './connector.ts';

describeSinkConnector('folder-sink', {
  plugin,
  unusableConfig: { folder: '/nowhere' },
  repeats: 'converge',
  async open() {
    const folder = await mkdtemp(path.join(tmpdir(), 'folder-sink-'));
    return {
      config: { folder },
      async texts() {
        const names = (await readdir(folder)).sort();
        return await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')));
      },
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true });
      },
    };
  },
});
