import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);
const assets = new URL('../assets/', import.meta.url);

test.each(readdirSync(fileURLToPath(assets)))(
  '%s in the package is what stands at its place in the repository',
  (name) => {
    const origin = new URL(name.endsWith('.sql') ? `deploy/demo/${name}` : `examples/${name}`, root);
    expect(readFileSync(new URL(name, assets), 'utf8')).toBe(readFileSync(origin, 'utf8'));
  },
);
