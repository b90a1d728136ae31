import { describe, expect, it } from 'vitest';
import { parseProperties } from './properties.ts';

describe('parseProperties', () => {
  it('reads the format of Java', () => {
    const text = [
      '# comment',
      '! another',
      '',
      'plain=value',
      '  indented : with colon ',
      'spaces   are separators',
      'long=one,\\',
      '     two',
      'escaped\\=key=a\\tb\\u00e9\\\\',
      'empty=',
      'bare',
      'twice=first',
      'twice=second',
    ].join('\r\n');
    expect(parseProperties(text)).toEqual({
      plain: 'value',
      indented: 'with colon ',
      spaces: 'are separators',
      long: 'one,two',
      'escaped=key': 'a\tb\u00e9\\',
      empty: '',
      bare: '',
      twice: 'second',
    });
  });
});
