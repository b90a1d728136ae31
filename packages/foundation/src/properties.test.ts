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

  it('properties are read as Java reads them', () => {
    const text = [
      '# comment',
      '! comment',
      'plain=value with spaces ',
      'colon: value',
      'blank value',
      'spread = a,\\',
      '   b',
      'empty=',
      'esc\\=aped=\\u00e4\\n',
      'later=1',
      'later=2',
    ].join('\n');
    expect(parseProperties(text)).toEqual({
      plain: 'value with spaces ',
      colon: 'value',
      blank: 'value',
      spread: 'a,b',
      empty: '',
      'esc=aped': 'ä\n',
      later: '2',
    });
  });
});
