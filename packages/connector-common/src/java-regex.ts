// Java regular expressions in JavaScript: what configs hold in include lists, mask keys and routing rules.
import { connectorError } from './errors.ts';

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  Lower: 'a-z',
  Upper: 'A-Z',
  ASCII: '\\x00-\\x7f',
  Alpha: 'a-zA-Z',
  Digit: '0-9',
  Alnum: 'a-zA-Z0-9',
  Punct: '!-\\/:-@\\[-`{-~',
  Graph: '!-~',
  Print: ' -~',
  Blank: ' \\t',
  Cntrl: '\\x00-\\x1f\\x7f',
  XDigit: '0-9a-fA-F',
  Space: '\\s',
};

/**
 * The JavaScript form of a Java pattern. Inline flags at the start, `\Q...\E`, POSIX classes, `\A`, `\z`, `\Z`, `\h` are
 * translated; possessive quantifiers and atomic groups become plain ones, which match the same names slower.
 * @throws connector.regex_invalid
 */
export function javaRegex(pattern: string, flags = ''): RegExp {
  let source = pattern;
  let allFlags = flags;
  const inline = /^\(\?([a-zA-Z]+)\)/.exec(source);
  if (inline?.[1] !== undefined) {
    for (const flag of inline[1].replaceAll('d', '').toLowerCase()) {
      if ('ims'.includes(flag) && !allFlags.includes(flag)) allFlags += flag;
    }
    source = source.slice(inline[0].length);
  }
  try {
    return new RegExp(translate(source), allFlags);
  } catch (cause) {
    throw connectorError('connector.regex_invalid', `Invalid regular expression: ${pattern}`, { cause });
  }
}

function translate(source: string): string {
  let out = '';
  let inClass = false;
  /** What was just written is a quantifier: a plus after it makes it possessive, and only forbids giving back. */
  let quantified: boolean = false;
  for (let i = 0; i < source.length; i++) {
    const char = source.charAt(i);
    const wasQuantified: boolean = quantified;
    quantified = false;
    if (char === '\\') {
      const [text, length] = escape(source, i, inClass);
      out += text;
      i += length - 1;
    } else if (char === '[') {
      // A class inside a class is a union in Java; JavaScript takes the bracket for a character.
      out += inClass ? '' : '[';
      inClass = true;
    } else if (char === ']' && inClass) {
      out += ']';
      inClass = false;
    } else if (inClass) {
      out += char;
    } else if (source.startsWith('(?>', i)) {
      out += '(?:';
      i += 2;
    } else if (char === '+' && wasQuantified) {
      // possessive
    } else if ('*+?'.includes(char)) {
      quantified = !wasQuantified && source.charAt(i - 1) !== '(';
      out += char;
    } else if (char === '{') {
      const count = /^\{\d+(?:,\d*)?\}/.exec(source.slice(i))?.[0];
      quantified = count !== undefined;
      out += count ?? char;
      i += (count ?? char).length - 1;
    } else out += char;
  }
  return out;
}

function escape(source: string, at: number, inClass: boolean): readonly [text: string, length: number] {
  const next = source.charAt(at + 1);
  switch (next) {
    case 'Q': {
      const end = source.indexOf('\\E', at + 2);
      const literal = source.slice(at + 2, end < 0 ? undefined : end);
      return [
        literal.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'),
        end < 0 ? source.length - at : end + 2 - at,
      ];
    }
    case 'E':
      return ['', 2];
    case 'A':
      return ['^', 2];
    case 'z':
    case 'Z':
      return ['$', 2];
    case 'h':
      return [inClass ? ' \\t\\xA0' : '[ \\t\\xA0]', 2];
    case 'p':
    case 'P': {
      const posix = /^\{(?:Is)?(\w+)\}/.exec(source.slice(at + 2));
      const members = posix?.[1] === undefined ? undefined : POSIX_CLASSES[posix[1]];
      if (posix && members !== undefined && (next === 'p' || !inClass)) {
        return [inClass ? members : `[${next === 'P' ? '^' : ''}${members}]`, 2 + posix[0].length];
      }
      return [`\\${next}`, 2];
    }
    default:
      return [source.slice(at, at + 2), 2];
  }
}

/** Splits a comma-separated list; `\,` is a comma of an entry. Entries are trimmed, empty ones dropped. */
export function splitList(text: string | null | undefined): string[] {
  if (text === null || text === undefined) return [];
  return text
    .split(/(?<!\\),/)
    .map((entry) => entry.trim().replaceAll('\\,', ','))
    .filter((entry) => entry !== '');
}
