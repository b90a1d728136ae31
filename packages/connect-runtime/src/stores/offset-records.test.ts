import { describe, expect, it } from 'vitest';
import { decodeOffsetRecord, offsetKey, offsetValue } from './offset-records.ts';

describe('offset records', () => {
  it('keep every digit of an int64 and the order of fields', () => {
    const text = '{"zeta":9223372036854775807,"alpha":null,"10":true}';
    const key = offsetKey('c', { server: 'shop' });
    const record = decodeOffsetRecord(key, Buffer.from(text));
    expect(record?.offset).toEqual({ zeta: 9223372036854775807n, alpha: null, '10': true });
    expect(offsetValue({ zeta: 9223372036854775807n, alpha: null })?.toString()).toBe(
      '{"zeta":9223372036854775807,"alpha":null}',
    );
  });

  it.each(['', '{}', '["c"]', '["c",{}', '[1,{"a":1}]', '["c",[]]', '\u0000'])(
    'passes by the key %j that no worker wrote',
    (key) => {
      expect(decodeOffsetRecord(Buffer.from(key), Buffer.from('{}'))).toBeUndefined();
    },
  );
});
