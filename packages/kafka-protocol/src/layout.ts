// The notation of message layouts, and its parser. One line a field:
//
//   name: TYPE [VERSIONS] [= DEFAULT] [tag N] [{]
//
// TYPE is a primitive, `struct`, or one of them in brackets for an array; `?` behind it means nullable, `?7+`
// nullable from version 7. VERSIONS is `3+`, `0-12` or `5`; without it the field is in every version of what
// encloses it. `{` opens the fields of a struct, a line with `}` closes them. Spec: Kafka's message definitions.

export type Primitive =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records';

/** First and last version, both inclusive. */
export type VersionRange = readonly [number, number];

export interface Field {
  readonly name: string;
  readonly type: Primitive | 'struct';
  readonly array: boolean;
  readonly versions: VersionRange;
  /** Versions in which null is allowed. */
  readonly nullable: VersionRange | undefined;
  readonly fallback: number | bigint | string | boolean | null | undefined;
  /** Number of a tagged field; such fields exist only in flexible versions. */
  readonly tag: number | undefined;
  readonly fields: readonly Field[];
}

/** One API: its versions and the layouts of request and response. */
export interface ApiLayout {
  readonly key: number;
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexibleFrom: number;
  readonly request: string;
  readonly response: string;
}

/** `flexibleFrom` of an API without flexible versions; also the open end of a version range. */
export const NEVER = 32767;

const ALL: VersionRange = [0, NEVER];
const PRIMITIVES = new Set<string>([
  'bool',
  'int8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'float64',
  'string',
  'uuid',
  'bytes',
  'records',
]);
const LINE = /^(\w+): (\[?)(\w+)\]?(\?(?:\d\S*)?)?(?: (\d+(?:\+|-\d+)?))?(?: = (\S+))?(?: tag (\d+))?( \{)?$/;

/** Parses a layout. Throws a plain Error on a mistake in it: layouts are ours. */
export function parseLayout(text: string): readonly Field[] {
  const open: Field[][] = [[]];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '') continue;
    if (line === '}') {
      open.pop();
      continue;
    }
    const field = parseLine(line);
    open.at(-1)?.push(field.field);
    if (field.opens) open.push(field.children);
  }
  const top = open[0];
  if (open.length !== 1 || top === undefined) throw new Error('unbalanced braces in a message layout');
  return top;
}

function parseLine(line: string): { field: Field; children: Field[]; opens: boolean } {
  const match = LINE.exec(line);
  if (!match) throw new Error(`message layout: cannot read "${line}"`);
  const [, name = '', bracket, type = '', nullable, versions, fallback, tag, brace] = match;
  if (type !== 'struct' && !PRIMITIVES.has(type))
    throw new Error(`message layout: unknown type in "${line}"`);
  const children: Field[] = [];
  const range = versions === undefined ? ALL : parseRange(versions);
  return {
    field: {
      name,
      type: type as Field['type'],
      array: bracket === '[',
      versions: range,
      nullable: nullable === undefined ? undefined : nullable === '?' ? range : parseRange(nullable.slice(1)),
      fallback: fallback === undefined ? undefined : parseFallback(fallback),
      tag: tag === undefined ? undefined : Number(tag),
      fields: children,
    },
    children,
    opens: brace !== undefined,
  };
}

function parseRange(text: string): VersionRange {
  if (text.endsWith('+')) return [Number(text.slice(0, -1)), NEVER];
  const [from = '', to = from] = text.split('-');
  return [Number(from), Number(to)];
}

function parseFallback(text: string): Field['fallback'] {
  if (text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  if (!/^-?\d+$/.test(text)) return text;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** Whether a version lies in a range. */
export function includes(range: VersionRange | undefined, version: number): boolean {
  return range !== undefined && version >= range[0] && version <= range[1];
}
