// Turns the layout of one message in one version into a reader and a writer, as generated source: object literals
// of one fixed shape and straight-line calls. Names reach the source only through `identifier`.
import { fail, malformed } from './errors.ts';
import { type Field, includes } from './layout.ts';
import type { WireReader } from './wire.ts';
import { WireWriter } from './wire.ts';

export type BodyReader = (reader: WireReader) => Record<string, unknown>;
export type BodyWriter = (writer: WireWriter, body: object) => void;

const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
const EMPTY = Buffer.alloc(0);
const PRIMITIVE_SIZES: Readonly<Record<string, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** A version of a message: what the generators below need to know besides the field. */
interface Target {
  readonly version: number;
  readonly flexible: boolean;
  /** Source of the struct functions generated so far. */
  readonly functions: string[];
}

/** Compiles the reader of a message. */
export function compileReader(fields: readonly Field[], version: number, flexible: boolean): BodyReader {
  const target: Target = { version, flexible, functions: [] };
  const top = structReader(fields, target);
  const source = `'use strict';\n${target.functions.join('\n')}\nreturn ${top};`;
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is made of our own layouts only
  return new Function('list', 'malformed', 'EMPTY', source)(readList, malformed, EMPTY) as BodyReader;
}

/** Compiles the writer of a message. */
export function compileWriter(fields: readonly Field[], version: number, flexible: boolean): BodyWriter {
  const target: Target = { version, flexible, functions: [] };
  const top = structWriter(fields, target);
  const source = `'use strict';\n${target.functions.join('\n')}\nreturn ${top};`;
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is made of our own layouts only
  return new Function('Writer', 'EMPTY', 'nullField', source)(WireWriter, EMPTY, nullField) as BodyWriter;
}

function readList<T>(reader: WireReader, count: number, read: (reader: WireReader) => T): T[] | null {
  if (count < 0) return null;
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

function nullField(name: string): never {
  return fail('kafka.malformed', `Field ${name} must not be null in this version of the message.`);
}

function identifier(name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw new Error(`"${name}" is no field name`);
  return name;
}

function addFunction(target: Target, parameters: string, body: string): string {
  const name = `s${target.functions.length}`;
  target.functions.push(`function ${name}(${parameters}) {\n${body}\n}`);
  return name;
}

const isTagged = (field: Field, target: Target): boolean => field.tag !== undefined && target.flexible;
const present = (fields: readonly Field[], target: Target): Field[] =>
  fields.filter((f) => includes(f.versions, target.version));

// ---- reading

function structReader(fields: readonly Field[], target: Target): string {
  const properties = fields.map((field) => {
    const here = includes(field.versions, target.version) && !isTagged(field, target);
    return `${identifier(field.name)}: ${here ? readExpression(field, target) : fallbackSource(field)}`;
  });
  const tags = present(fields, target).filter((field) => isTagged(field, target));
  const lines = [`const o = { ${properties.join(', ')} };`];
  if (target.flexible) lines.push(tags.length === 0 ? 'r.skipTags();' : tagReader(tags, target));
  return addFunction(target, 'r', [...lines, 'return o;'].join('\n'));
}

function tagReader(tags: readonly Field[], target: Target): string {
  const cases = tags.map(
    (f) => `case ${f.tag}: o.${identifier(f.name)} = ${readExpression(f, target)}; break;`,
  );
  return `for (let left = r.uvarint(); left > 0; left--) {
  const tag = r.uvarint(), size = r.uvarint(), start = r.take(size);
  r.position = start;
  switch (tag) { ${cases.join(' ')} }
  if (r.position > start + size) malformed('tagged field is longer than it says', start);
  r.position = start + size;
}`;
}

function readExpression(field: Field, target: Target): string {
  const nullable = includes(field.nullable, target.version);
  if (field.array) {
    const one =
      field.type === 'struct'
        ? structReader(field.fields, target)
        : `(r) => ${readPrimitive(field, target, false)}`;
    const count = target.flexible ? 'compactCount' : 'count';
    return `list(r, r.${count}(${nullable}, ${smallestSize(field, target)}), ${one})`;
  }
  if (field.type !== 'struct') return readPrimitive(field, target, nullable);
  const read = `${structReader(field.fields, target)}(r)`;
  return nullable ? `(r.int8() < 0 ? null : ${read})` : read;
}

function readPrimitive(field: Field, target: Target, nullable: boolean): string {
  switch (field.type) {
    case 'string':
      return `r.${target.flexible ? 'compactString' : 'string'}(${nullable})`;
    case 'bytes':
    case 'records':
      return `r.${target.flexible ? 'compactBytes' : 'bytes'}(${nullable})`;
    default:
      return `r.${field.type}()`;
  }
}

/** The least number of bytes an element takes, so that a count can be checked before anything is allocated. */
function smallestSize(field: Field, target: Target): number {
  if (field.type !== 'struct') return primitiveSize(field, target);
  let size = target.flexible ? 1 : 0;
  for (const child of present(field.fields, target)) {
    if (isTagged(child, target)) continue;
    if (child.array) size += target.flexible ? 1 : 4;
    else if (includes(child.nullable, target.version))
      size += target.flexible || child.type === 'struct' ? 1 : 2;
    else size += smallestSize(child, target);
  }
  return Math.max(size, 1);
}

function primitiveSize(field: Field, target: Target): number {
  return PRIMITIVE_SIZES[field.type] ?? (target.flexible ? 1 : field.type === 'string' ? 2 : 4);
}

function fallbackSource(field: Field): string {
  if (field.array) return field.fallback === null ? 'null' : '[]';
  if (field.fallback !== undefined) {
    if (typeof field.fallback === 'bigint') return `${field.fallback}n`;
    return JSON.stringify(field.fallback);
  }
  switch (field.type) {
    case 'struct':
    case 'records':
      return 'null';
    case 'string':
      return '""';
    case 'uuid':
      return JSON.stringify(ZERO_UUID);
    case 'bytes':
      return 'EMPTY';
    case 'bool':
      return 'false';
    default:
      return '0';
  }
}

// ---- writing

function structWriter(fields: readonly Field[], target: Target): string {
  const lines: string[] = [];
  const tags: Field[] = [];
  for (const field of present(fields, target)) {
    if (isTagged(field, target)) tags.push(field);
    else lines.push(`{ let v = o.${identifier(field.name)}; ${writeStatement(field, target)} }`);
  }
  if (target.flexible) lines.push(tags.length === 0 ? 'w.uvarint(0);' : tagWriter(tags, target));
  return addFunction(target, 'w, o', lines.join('\n'));
}

function tagWriter(tags: readonly Field[], target: Target): string {
  const ordered = tags.toSorted((a, b) => (a.tag ?? 0) - (b.tag ?? 0));
  const lines = ordered.map((field) => {
    const set = field.array
      ? `v != null && ${field.fallback === null ? 'true' : 'v.length > 0'}`
      : field.type === 'struct'
        ? 'v != null'
        : `v !== undefined && v !== ${fallbackSource(field)}`;
    return `{ let v = o.${identifier(field.name)};
if (${set}) { const w = new Writer(32); ${writeStatement(field, target)} tags.push([${field.tag}, w]); } }`;
  });
  return `const tags = [];
${lines.join('\n')}
w.uvarint(tags.length);
for (const [tag, value] of tags) w.tagged(tag, value);`;
}

/** Writes `v`, a variable in scope, to `w`. */
function writeStatement(field: Field, target: Target): string {
  const nullable = includes(field.nullable, target.version);
  const refuse = `nullField(${JSON.stringify(field.name)});`;
  if (field.array) {
    const count = target.flexible ? 'compactCount' : 'count';
    const one =
      field.type === 'struct'
        ? `${structWriter(field.fields, target)}(w, e);`
        : `w.${writePrimitive(field, target)}(e);`;
    return `if (v === undefined) v = ${fallbackSource(field)};
if (v === null) { ${nullable ? `w.${count}(-1);` : refuse} }
else { w.${count}(v.length); for (const e of v) ${one} }`;
  }
  if (field.type === 'struct') {
    const write = `${structWriter(field.fields, target)}(w, v ?? {});`;
    return nullable ? `if (v == null) w.int8(-1); else { w.int8(1); ${write} }` : write;
  }
  const check = nullable || field.type === 'records' ? '' : `if (v === null) ${refuse}`;
  return `if (v === undefined) v = ${fallbackSource(field)}; ${check} w.${writePrimitive(field, target)}(v);`;
}

function writePrimitive(field: Field, target: Target): string {
  switch (field.type) {
    case 'string':
      return target.flexible ? 'compactString' : 'string';
    case 'bytes':
    case 'records':
      return target.flexible ? 'compactBytes' : 'bytes';
    default:
      return field.type;
  }
}
