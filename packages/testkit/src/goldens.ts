// Where the recorded goldens are, and reading them so that an empty list fails.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const testdata = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../testdata');
const folder = path.join(testdata, 'goldens');

/** The absolute path of a golden file or folder. Throws when it is not there. */
export function goldenPath(relative: string): string {
  const file = path.join(folder, relative);
  if (!existsSync(file))
    throw new Error(`${relative} is not below testdata/goldens; run npm run goldens:sync -- DIR`);
  return file;
}

/** The absolute path of a folder of what was recorded besides the goldens. */
export const recordedPath = (relative: string): string => path.join(testdata, 'recorded', relative);

/** The lines of a JSONL golden. Throws when there are none. */
export function goldenLines(relative: string): unknown[] {
  const lines = readFileSync(goldenPath(relative), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  if (lines.length === 0) throw new Error(`${relative} is empty`);
  return lines.map((line) => JSON.parse(line) as unknown);
}
