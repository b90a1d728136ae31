import { describe, expect, test } from 'vitest';
import { columnChanges, isColumnChangeKey } from './column-changes.ts';

describe('column changes', () => {
  test('hash as recorded from Debezium, over the text as Java serializes it', () => {
    const changes = columnChanges({
      'column.mask.hash.SHA-256.with.salt.CzQMA0cB5K': 'public.t.(name|note)',
    });
    const change = changes('public.t.name', 'public.t.text');
    expect(change?.kind === 'hash' && change.hash('Ann')).toBe(
      '052af54501a1a7c86c4c227ee21fce6ebd65fb211395e43f5d6f01fa56864f26',
    );
    expect(change?.kind === 'hash' && change.hash('Bob')).toBe(
      '64a623d3452f85f3e6346f97322b05597ac052febb98cb5cc686dbeff1b0ef3a',
    );
    expect(changes('public.t.other', 'public.t.text')).toBeUndefined();
  });

  test('mask and truncate take their number from the key', () => {
    const changes = columnChanges({
      'column.mask.with.3.chars': 'a.b.c',
      'column.truncate.to.5.chars': 'a.b.d',
    });
    expect(changes('a.b.c', 'a.b.text')).toEqual({ kind: 'mask', text: '***' });
    expect(changes('a.b.d', 'a.b.text')).toEqual({ kind: 'truncate', length: 5 });
    expect(isColumnChangeKey('column.mask.hash.v2.SHA-512.with.salt.x.y')).toBe(true);
    expect(isColumnChangeKey('column.include.list')).toBe(false);
  });

  test('of several changes one counts, in a fixed order', () => {
    const changes = columnChanges({
      'column.mask.hash.MD5.with.salt.s': 'a.b.*',
      'datatype.propagate.source.type': 'a.b.int4',
      'column.mask.with.3.chars': 'a.b.m',
      'column.truncate.to.5.chars': 'a.b.[tm]',
    });
    expect(changes('a.b.t', 'a.b.text')?.kind).toBe('truncate');
    expect(changes('a.b.m', 'a.b.text')?.kind).toBe('truncate');
    expect(changes('a.b.n', 'a.b.int4')?.kind).toBe('propagate');
    expect(changes('a.b.n', 'a.b.text')?.kind).toBe('hash');
  });

  test('a hash that is not there is refused by the key that asks for it', () => {
    const key = 'column.mask.hash.MD99.with.salt.s';
    expect(() => columnChanges({ [key]: 'a.b.c' })).toThrow(
      expect.objectContaining({
        configKey: key,
        cause: expect.objectContaining({ javaClass: 'java.security.NoSuchAlgorithmException' }),
      }),
    );
  });
});
