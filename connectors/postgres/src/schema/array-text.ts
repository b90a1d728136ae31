// Array literals as Postgres prints them: `{1,NULL,"a,b"}`, with dimensions `[0:1]={...}` in front when a bound is not 1.

/** An array in an array, as it is written. */
export interface NestedArray {
  readonly literal: string;
}
/** An element: its text, null, or an array of the next dimension. */
export type ArrayElement = string | null | NestedArray;

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
      const end = endOfNested(text, at);
      elements.push({ literal: text.slice(at, end) });
      at = end;
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

function endOfNested(text: string, from: number): number {
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
