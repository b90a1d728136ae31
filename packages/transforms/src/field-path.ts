// Paths to nested fields as `field.syntax.version` V2 writes them: steps parted by dots, a step with dots in backticks,
// a backtick inside such a step after a backslash (KIP-821). V1 takes the whole text as one field name.
import { type Schema, Struct } from '@millrace/data';
import { recordError, settingError } from './errors.ts';
import { fieldValue, requireMap } from './side.ts';

export class FieldPath {
  readonly #steps: readonly string[];

  constructor(path: string, version: 'V1' | 'V2') {
    this.#steps = version === 'V1' ? [path] : parsePath(path);
  }

  /** The schema of the field in records of this schema; undefined when there is none. */
  schemaIn(schema: Schema): Schema | undefined {
    let current: Schema | undefined = schema;
    for (const step of this.#steps) {
      if (current === undefined) return undefined;
      if (current.type !== 'struct') throw recordError('Cannot look up fields on non-struct type');
      current = current.field(step)?.schema;
    }
    return current;
  }

  /** The value in a struct; null when a struct on the way is. The path must be in the struct's schema. */
  valueIn(struct: Struct, fillDefaults: boolean): unknown {
    let current: unknown = struct;
    for (const step of this.#steps) {
      if (!(current instanceof Struct)) return null;
      const field = current.schema.field(step);
      if (!field) return null;
      current = fieldValue(current, field.index, fillDefaults);
    }
    return current;
  }

  /** The value in a schemaless map; null when it or a map on the way is not there. */
  valueInMap(map: ReadonlyMap<unknown, unknown>): unknown {
    let current: unknown = map;
    for (const step of this.#steps) {
      if (current === null) return null;
      current = requireMap(current, 'nested field access').get(step) ?? null;
    }
    return current;
  }
}

function parsePath(path: string): string[] {
  const steps: string[] = [];
  let at = 0;
  while (at < path.length) {
    if (path.charAt(at) !== '`') {
      const dot = path.indexOf('.', at);
      steps.push(path.slice(at, dot < 0 ? undefined : dot));
      at = dot < 0 ? path.length : dot + 1;
    } else {
      const [step, next] = quotedStep(path, at);
      steps.push(step);
      at = next;
    }
  }
  if (path.endsWith('.')) steps.push('');
  return steps;
}

/** The step in backticks that opens at `open`, and where the next one starts. Only a backtick before a dot closes. */
function quotedStep(path: string, open: number): readonly [step: string, next: number] {
  let step = '';
  let from = open + 1;
  let at = from;
  for (;;) {
    at = path.indexOf('`', at);
    const last = at === path.length - 1;
    const escaped = at > 0 && path.charAt(at - 1) === '\\';
    if (at < 0 || (last && escaped)) {
      throw settingError(
        'field',
        `Incomplete backtick pair in path: [${path}], consider adding a backslash before backtick at position ${open} to escape it`,
      );
    }
    if (last) return [step + path.slice(from, at), path.length];
    if (path.charAt(at + 1) === '.') {
      if (!escaped) return [step + path.slice(from, at), at + 2];
      step += `${path.slice(from, at - 1)}\``;
      from = at + 1;
    }
    at++;
  }
}
