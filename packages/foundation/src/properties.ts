// Java's .properties format: the shape of worker and broker config files.

const SPACE = /[ \t\f]/;

/** Parses the text of a properties file. The later of two equal keys wins, as in Java. */
export function parseProperties(text: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const line of logicalLines(text)) {
    const { key, value } = splitLine(line);
    result[unescape(key)] = unescape(value);
  }
  return result;
}

/** Lines with continuations joined, without blank lines and comments. */
function* logicalLines(text: string): Generator<string> {
  let pending = '';
  let continued = false;
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = raw.replace(/^[ \t\f]+/, '');
    if (!continued && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue;
    const trailing = /\\*$/.exec(line)?.[0].length ?? 0;
    continued = trailing % 2 === 1;
    pending += continued ? line.slice(0, -1) : line;
    if (continued) continue;
    if (pending !== '') yield pending;
    pending = '';
  }
  if (pending !== '') yield pending;
}

function splitLine(line: string): { key: string; value: string } {
  let end = 0;
  while (end < line.length) {
    const char = line.charAt(end);
    if (char === '\\') {
      end += 2;
      continue;
    }
    if (char === '=' || char === ':' || SPACE.test(char)) break;
    end++;
  }
  let start = end;
  while (SPACE.test(line.charAt(start))) start++;
  if (line.charAt(start) === '=' || line.charAt(start) === ':') start++;
  while (SPACE.test(line.charAt(start))) start++;
  return { key: line.slice(0, end), value: line.slice(start) };
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_match, escape: string) =>
    escape.length === 5
      ? String.fromCharCode(Number.parseInt(escape.slice(1), 16))
      : (ESCAPES[escape] ?? escape),
  );
}
