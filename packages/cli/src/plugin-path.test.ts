import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pluginPathNotes } from './plugin-path.ts';

test('plugin.path is told of in one line where it holds jars', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-plugins-'));
  try {
    expect(await pluginPathNotes('')).toEqual([]);
    expect(await pluginPathNotes(`${folder}, /nowhere`)).toEqual([]);
    mkdirSync(path.join(folder, 'debezium-connector-postgres'));
    mkdirSync(path.join(folder, 'mine'));
    writeFileSync(path.join(folder, 'debezium-connector-postgres', 'a.jar'), '');
    writeFileSync(path.join(folder, 'mine', 'index.js'), '');
    writeFileSync(path.join(folder, 'uber.jar'), '');
    const [note, ...more] = await pluginPathNotes(`/nowhere, ${folder},`);
    expect(more).toEqual([]);
    expect(note).toContain('2 plug-ins for the JVM (debezium-connector-postgres, uber.jar)');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
