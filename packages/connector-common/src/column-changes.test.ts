import { describe, expect, test } from 'vitest';
import { columnChanges, isColumnChangeKey } from './column-changes.ts';

describe('column changes', () => {
  test('hash as recorded from Debezium, over the text as Java serializes it', () => {
    const changes = columnChanges({
      'column.mask.hash.SHA-256.with.salt.CzQMA0cB5K': 'public.t.(name|note)',
    });
    const change = changes('public.t.name');
    expect(change?.kind === 'hash' && change.hash('Ann')).toBe(
      '052af54501a1a7c86c4c227ee21fce6ebd65fb211395e43f5d6f01fa56864f26',
    );
    expect(change?.kind === 'hash' && change.hash('Bob')).toBe(
      '64a623d3452f85f3e6346f97322b05597ac052febb98cb5cc686dbeff1b0ef3a',
    );
    expect(changes('public.t.other')).toBeUndefined();
  });

  test('mask and truncate take their number from the key', () => {
    const changes = columnChanges({
      'column.mask.with.3.chars': 'a.b.c',
      'column.truncate.to.5.chars': 'a.b.d',
    });
    expect(changes('a.b.c')).toEqual({ kind: 'mask', text: '***' });
    expect(changes('a.b.d')).toEqual({ kind: 'truncate', length: 5 });
    expect(isColumnChangeKey('column.mask.hash.v2.SHA-512.with.salt.x.y')).toBe(true);
    expect(isColumnChangeKey('column.include.list')).toBe(false);
  });
});
