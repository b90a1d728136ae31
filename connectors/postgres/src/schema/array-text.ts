// Array literals as Postgres prints them: `{1,NULL,"a,b"}`, with dimensions `[0:1]={...}` in front when a bound is not 1.

/** An element: its text, null, or a nested array, whose content nobody here needs. */
export type ArrayElement = string | null | typeof NESTED;
export const NESTED: unique symbol = Symbol('nested array');

/** The elements of the outermost dimension; undefined when the text is no array literal. */
export function parseArrayText(text: string, delimiter = ','): ArrayElement[] | undefined {
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  if (text.charAt(start) !== '{' || !text.endsWith('}')) return undefined;
  const elements: ArrayElement[] = [];
  const last = text.length - 1;
  let at = start + 1;
  while (at < last) {
    const char = text.charAt(at);
    if (char === '{') {
      elements.push(NESTED);
      at = skipNested(text, at);
    } else if (char === '"') {
      let value = '';
      at++;
      while (at < last && text.charAt(at) !== '"') {
        if (text.charAt(at) === '\\') at++;
        value += text.charAt(at++);
      }
      elements.push(value);
      at++;
    } else {
      let end = at;
      while (end < last && text.charAt(end) !== delimiter) end++;
      const value = text.slice(at, end);
      elements.push(value === 'NULL' ? null : value);
      at = end;
    }
    if (at < last && text.charAt(at) === delimiter) at++;
  }
  return elements;
}

function skipNested(text: string, from: number): number {
  let depth = 0;
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '\\') at++;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === '{') depth++;
    else if (char === '}' && --depth === 0) return at + 1;
  }
  return text.length;
}
