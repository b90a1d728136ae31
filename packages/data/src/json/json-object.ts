// Schemaless JSON, read as late as possible: an object is checked as a whole when it is read, its members become values
// when somebody asks for one. Untouched, it is written by copying its bytes.
import { isUtf8 } from 'node:buffer';
import { int64 } from '../int64.ts';
import { type Double, schemalessDouble } from '../schemaless.ts';
import type { JsonMemory, JsonPlace, JsonShape } from './json-shape.ts';
import { type Json, JsonFraction, JsonParser, JsonSyntaxError, parseJson } from './parse.ts';
import { JsonScanner } from './scan.ts';

const scanner = new JsonScanner();
const parser = new JsonParser();

/**
 * Reads one document as schemaless values: Maps, arrays, int64 and doubles; text after it is ignored, blank text is
 * null. Objects keep a hold of the bytes, which must not change. A memory makes documents that resemble the ones before
 * faster to read. @throws JsonSyntaxError
 */
export function readSchemalessJson(bytes: Buffer, memory?: JsonMemory): unknown {
  scanner.exact = true;
  scanner.ascii = true;
  const start = scanner.space(bytes, 0);
  if (bytes[start] === 0x7b) {
    const object = readObject(bytes, start, memory?.root, memory);
    if (object) {
      if ((!scanner.ascii || object.end < bytes.length) && !isUtf8(bytes)) notUtf8();
      return object;
    }
  }
  if (!isUtf8(bytes)) notUtf8();
  return toSchemaless(parseJson(bytes, { allowTrailing: true }) ?? null);
}

/** The object that starts at `start`; undefined for text that is for the parser to judge. */
function readObject(
  bytes: Buffer,
  start: number,
  place: JsonPlace | undefined,
  memory: JsonMemory | undefined,
  depth = 0,
): JsonObject | undefined {
  if (memory && place?.shape) {
    const object = readShaped(bytes, start, depth, place.shape, memory);
    if (object) {
      place.matched();
      return object;
    }
  }
  scanner.exact = true;
  const end = scanner.value(bytes, start, depth);
  if (end < 0) return undefined;
  if (memory && place) memory.learn(place, bytes, start);
  return new JsonObject(bytes, start, end, scanner.exact);
}

/** The same, of an object that has that shape; undefined for one that has not. */
function readShaped(
  bytes: Buffer,
  start: number,
  depth: number,
  shape: JsonShape,
  memory: JsonMemory,
): JsonObject | undefined {
  const { pieces, places } = shape;
  const slots = new Array<unknown>(places.length);
  let { exact } = shape;
  let at = start;
  if (!shape.ascii) scanner.ascii = false;
  for (let i = 0; ; i++) {
    const piece = pieces[i] as Uint8Array;
    if (!startsWith(bytes, at, piece)) return undefined;
    at += piece.length;
    if (i === places.length) break;
    const place = places[i] as JsonPlace;
    const code = bytes[at];
    if (code === 0x7b) {
      const inner = readObject(bytes, at, place, memory, depth + 1);
      if (!inner) return undefined;
      slots[i] = inner;
      exact &&= inner.exact;
      at = inner.end;
    } else if (code === 0x22 && place.quoted.length > 0 && startsWith(bytes, at, place.quoted)) {
      slots[i] = place.text;
      at += place.quoted.length;
    } else {
      slots[i] = at;
      scanner.exact = exact;
      at = scanner.value(bytes, at, depth + 1);
      if (at < 0) return undefined;
      ({ exact } = scanner);
    }
  }
  return new JsonObject(bytes, start, at, exact, shape, slots);
}

function startsWith(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
}

function notUtf8(): never {
  throw new JsonSyntaxError('Bytes are not UTF-8', 0);
}

/** A parsed JSON value as a value without a schema. */
export function toSchemaless(json: Json): unknown {
  if (json instanceof JsonFraction) return schemalessDouble(json.value);
  if (typeof json === 'bigint') return int64(BigInt.asIntN(64, json));
  if (Array.isArray(json)) return json.map(toSchemaless);
  if (json instanceof Map) {
    for (const [key, value] of json) {
      if (typeof value === 'object' || typeof value === 'bigint')
        (json as Map<string, unknown>).set(key, toSchemaless(value));
    }
  }
  return json;
}

/** The value that starts at `at`, which a scanner has walked over and which is no object. */
function valueAt(bytes: Buffer, at: number, place: JsonPlace): unknown {
  switch (bytes[at]) {
    case 0x22:
      parser.at = at;
      return place.saw(parser.string());
    case 0x74:
      return true;
    case 0x66:
      return false;
    case 0x6e:
      return null;
    case 0x5b:
      break;
    default: {
      const number = numberAt(bytes, at);
      if (number !== undefined) return number;
    }
  }
  parser.at = at;
  return toSchemaless(parser.value(1));
}

const MAX_DIGITS = 15;
const POWERS_OF_TEN: readonly number[] = Array.from({ length: MAX_DIGITS + 1 }, (_, i) => 10 ** i);

/**
 * A number of up to 15 digits; undefined for others. Its digits and the power of ten are exact as doubles, so their
 * quotient is rounded once, as reading the text does.
 */
function numberAt(bytes: Buffer, start: number): number | Double | undefined {
  const negative = bytes[start] === 0x2d;
  const first = negative ? start + 1 : start;
  let at = first;
  let value = 0;
  let code = bytes[at] as number;
  for (; code >= 0x30 && code <= 0x39; code = bytes[++at] as number) value = value * 10 + (code - 0x30);
  const point = at;
  if (code === 0x2e) {
    code = bytes[++at] as number;
    for (; code >= 0x30 && code <= 0x39; code = bytes[++at] as number) value = value * 10 + (code - 0x30);
  }
  if (code === 0x65 || code === 0x45 || at - first > MAX_DIGITS) return undefined;
  // There is no negative zero among integers.
  if (at === point) return negative && value !== 0 ? -value : value;
  const double = value / (POWERS_OF_TEN[at - point - 1] as number);
  return schemalessDouble(negative ? -double : double);
}

/** A Map whose members are read from JSON bytes when the first of them is asked for. */
export class JsonObject extends Map<string, unknown> {
  /** The text, until a member is asked for. */
  #bytes: Buffer | undefined;
  readonly #start: number;
  readonly end: number;
  /** Whether the text is what would be written for the object. */
  readonly exact: boolean;
  /** Of the members, while they are in `#slots`; else they are in the Map, once they were read. */
  #shape: JsonShape | undefined;
  /** Where values start in the bytes, or values: only these once there are no bytes. */
  readonly #slots: unknown[];

  // More parameters than is good: there is one of these per object of each record.
  /** `[start, end)` is an object that a scanner walked over; `exact` is what it found. */
  constructor(
    bytes: Buffer,
    start: number,
    end: number,
    exact: boolean,
    shape?: JsonShape,
    slots: unknown[] = NO_SLOTS,
  ) {
    super();
    this.#bytes = bytes;
    this.#start = start;
    this.end = end;
    this.exact = exact;
    this.#shape = shape;
    this.#slots = slots;
  }

  /**
   * The bytes of an object that nobody touched, when they are what would be written for it. Numbers, text and order
   * are as its writer wrote them; should a name be repeated, it is in the copy too.
   */
  get text(): Buffer | undefined {
    if (this.#bytes === undefined || !this.exact) return undefined;
    return this.#start === 0 && this.end === this.#bytes.length
      ? this.#bytes
      : this.#bytes.subarray(this.#start, this.end);
  }

  // Private methods would make each new object slower; static ones do not.

  /** The shape of an object whose members are in its slots, values by now; undefined when they are in the Map. */
  static #read(object: JsonObject): JsonShape | undefined {
    const bytes = object.#bytes;
    const shape = object.#shape;
    if (bytes === undefined) return shape;
    object.#bytes = undefined;
    parser.open(bytes, object.#start + 1);
    if (shape) {
      const slots = object.#slots;
      const { places } = shape;
      for (let i = 0; i < slots.length; i++) {
        const at = slots[i];
        if (typeof at === 'number') slots[i] = valueAt(bytes, at, places[i] as JsonPlace);
      }
    } else {
      parser.skipSpace();
      if (bytes[parser.at] !== 0x7d) {
        do {
          const name = parser.name();
          Map.prototype.set.call(object, name, memberAt(bytes));
        } while (parser.separator(0x7d, "'}'"));
      }
    }
    parser.close();
    return shape;
  }

  /** Has the members in the Map: it is to be changed. */
  static #change(object: JsonObject): void {
    const shape = JsonObject.#read(object);
    if (shape === undefined) return;
    object.#shape = undefined;
    const slots = object.#slots;
    shape.names.forEach((name, i) => Map.prototype.set.call(object, name, slots[i]));
  }

  override get size(): number {
    return JsonObject.#read(this)?.names.length ?? super.size;
  }
  override get(name: string): unknown {
    const shape = JsonObject.#read(this);
    if (!shape) return super.get(name);
    const index = shape.indexOf(name);
    return index < 0 ? undefined : this.#slots[index];
  }
  override has(name: string): boolean {
    const shape = JsonObject.#read(this);
    return shape ? shape.indexOf(name) >= 0 : super.has(name);
  }
  override set(name: string, value: unknown): this {
    JsonObject.#change(this);
    return super.set(name, value);
  }
  override delete(name: string): boolean {
    JsonObject.#change(this);
    return super.delete(name);
  }
  override clear(): void {
    this.#bytes = undefined;
    this.#shape = undefined;
    super.clear();
  }
  override forEach(
    callback: (value: unknown, name: string, map: Map<string, unknown>) => void,
    thisArg?: unknown,
  ): void {
    JsonObject.#change(this);
    super.forEach(callback, thisArg);
  }
  override keys(): MapIterator<string> {
    const shape = JsonObject.#read(this);
    return shape ? shape.names.values() : super.keys();
  }
  override values(): MapIterator<unknown> {
    return JsonObject.#read(this) ? this.#slots.values() : super.values();
  }
  override entries(): MapIterator<[string, unknown]> {
    const shape = JsonObject.#read(this);
    if (!shape) return super.entries();
    return shape.names.map((name, i): [string, unknown] => [name, this.#slots[i]]).values();
  }
  override [Symbol.iterator](): MapIterator<[string, unknown]> {
    return this.entries();
  }
}

const NO_SLOTS: unknown[] = [];

/** The value at the parser's position, of an object whose text a scanner has walked over. */
function memberAt(bytes: Buffer): unknown {
  if (bytes[parser.at] !== 0x7b) return toSchemaless(parser.value(1));
  scanner.exact = true;
  const start = parser.at;
  const end = scanner.value(bytes, start, 0);
  parser.at = end;
  return new JsonObject(bytes, start, end, scanner.exact);
}
