// Java regular expressions in JavaScript: what configs hold in include lists, mask keys and routing rules.
import { defineErrorCodes, MillraceError } from './errors.ts';

defineErrorCodes({
  'config.regex_invalid': {
    policy: 'needs_operator',
    remedy: 'Correct the regular expression; it is written in Java syntax.',
  },
});

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
 * @throws config.regex_invalid
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
  const translated = translate(source);
  if (/\\p\{/i.test(translated) && !allFlags.includes('u')) allFlags += 'u';
  try {
    return new RegExp(translated, allFlags);
  } catch (cause) {
    throw new MillraceError('config.regex_invalid', `Invalid regular expression: ${pattern}`, { cause });
  }
}

/**
 * What is wrong with a pattern: the common mistakes in Java's words, others in JavaScript's. Undefined when `javaRegex`
 * takes it.
 */
export function javaRegexProblem(pattern: string): string | undefined {
  try {
    javaRegex(pattern);
    return undefined;
  } catch (error) {
    return problemOf(pattern, error);
  }
}

function problemOf(pattern: string, error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/unterminated group/i.test(text)) return at(pattern, 'Unclosed group', pattern.length);
  if (/unterminated character class|missing \]/i.test(text)) {
    return at(pattern, 'Unclosed character class', pattern.length - 1);
  }
  if (/unmatched '\)'/i.test(text)) return at(pattern, "Unmatched closing ')'", unmatchedAt(pattern) - 1);
  if (/nothing to repeat/i.test(text)) {
    const index = Math.max(0, pattern.search(/(?<=^|[(|*+?])[*+?]/));
    return at(pattern, `Dangling meta character '${pattern.charAt(index)}'`, index);
  }
  return `${text.slice(text.lastIndexOf(':') + 1).trim()}\n${pattern}`;
}

/** Where a parenthesis closes what none has opened. */
function unmatchedAt(pattern: string): number {
  let open = 0;
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i);
    if (char === '\\') i++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (!inClass && char === '(') open++;
    else if (!inClass && char === ')' && --open < 0) return i;
  }
  return 0;
}

/** As `PatternSyntaxException` prints itself. */
function at(pattern: string, description: string, index: number): string {
  if (index < 0) return `${description}\n${pattern}`;
  const mark = index < pattern.length ? `\n${' '.repeat(index)}^` : '';
  return `${description} near index ${index}\n${pattern}${mark}`;
}

function translate(source: string): string {
  let out = '';
  let inClass = false;
  /** Whether what was written last is a quantifier, so that a plus after it makes it possessive. */
  let quantified = false;
  for (let i = 0; i < source.length; i++) {
    const char = source.charAt(i);
    const afterQuantifier = quantified;
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
    } else if (!inClass && char === '(' && source.startsWith('(?>', i)) {
      out += '(?:';
      i += 2;
    } else if (!inClass && char === '+' && afterQuantifier) {
      // A possessive quantifier: the plus only forbids giving back.
    } else {
      out += char;
      quantified = !inClass && /(?:[*+?]|\{\d+(?:,\d*)?\})$/.test(out);
    }
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

/** A Java pattern that must match the whole text, as `Matcher.matches`. */
export function javaRegexWhole(pattern: string, flags = ''): RegExp {
  const inner = javaRegex(pattern, flags);
  return new RegExp(`^(?:${inner.source})$`, inner.flags);
}

/**
 * Whether a Java pattern matches a whole text without regard to case, which in Java is that of ASCII letters alone: `ä`
 * is not `Ä`.
 * @throws config.regex_invalid
 */
export function javaRegexAnyCase(pattern: string): (text: string) => boolean {
  if (isAscii(pattern)) {
    const regex = javaRegexWhole(pattern, 'i');
    return (text) => regex.test(text);
  }
  const regex = javaRegexWhole(
    pattern.replaceAll(LETTERS, (part) => (part.startsWith('\\') ? part : lower(part))),
  );
  return (text) => regex.test(lower(text));
}

/** What is no letter that stands for itself, or such a letter. */
const LETTERS = /\\(?:[pP]\{[^}]*\}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|c.|.)|[A-Z]/gs;
const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text);
const lower = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** A text to the one in its place; undefined = it stays. */
export type Rewrite = (text: string) => string | undefined;

/**
 * What Java's `matches` and then `replaceFirst` make of a text: it is changed only where the pattern matches it as a
 * whole, and what is replaced is what the pattern finds first, which may be less. Undefined for other texts.
 * @throws config.regex_invalid also from what is returned, for a replacement that names no group
 */
export function javaRewrite(pattern: string, replacement: string): Rewrite {
  const whole = javaRegexWhole(pattern);
  const first = javaRegex(pattern);
  return (text) => {
    const found = whole.test(text) ? first.exec(text) : null;
    if (found === null) return undefined;
    const rest = text.slice(found.index + found[0].length);
    return `${text.slice(0, found.index)}${javaReplacement(found, replacement)}${rest}`;
  };
}

/**
 * Expands a Java replacement (`$1`, `${name}`, `\\` escapes) with the groups of a match. A group number takes as many
 * digits as name an existing group.
 * @throws config.regex_invalid
 */
export function javaReplacement(match: RegExpExecArray, replacement: string): string {
  let out = '';
  for (let i = 0; i < replacement.length; i++) {
    const char = replacement.charAt(i);
    if (char === '\\') {
      i++;
      if (i === replacement.length) throw illegalReplacement('character to be escaped is missing');
      out += replacement.charAt(i);
    } else if (char === '$') {
      const [text, length] = groupReference(match, replacement, i + 1);
      out += text;
      i += length;
    } else out += char;
  }
  return out;
}

function groupReference(
  match: RegExpExecArray,
  replacement: string,
  at: number,
): readonly [text: string, length: number] {
  const named = /^\{([A-Za-z][A-Za-z0-9]*)\}/.exec(replacement.slice(at));
  if (named?.[1] !== undefined) {
    const groups: Readonly<Record<string, string | undefined>> = match.groups ?? {};
    if (!(named[1] in groups)) throw illegalReplacement(`No group with name {${named[1]}}`);
    return [groups[named[1]] ?? '', named[0].length];
  }
  if (!/\d/.test(replacement.charAt(at)))
    throw illegalReplacement('Illegal group reference: group index is missing');
  let group = Number(replacement.charAt(at));
  let length = 1;
  if (group >= match.length)
    throw illegalReplacement(`No group ${group}`, 'java.lang.IndexOutOfBoundsException');
  for (; /\d/.test(replacement.charAt(at + length)); length++) {
    const longer = group * 10 + Number(replacement.charAt(at + length));
    if (longer >= match.length) break;
    group = longer;
  }
  return [match[group] ?? '', length];
}

function illegalReplacement(
  message: string,
  javaClass = 'java.lang.IllegalArgumentException',
): MillraceError {
  return new MillraceError('config.regex_invalid', message, { javaClass });
}
