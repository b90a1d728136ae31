// Schemaless JSON, read as late as possible: an object is checked as a whole when it is read, its members become values
// when somebody asks for one. Untouched, it is written by copying its bytes.
import { isUtf8 } from 'node:buffer';
import { int64 } from '../int64.ts';
import { schemalessDouble } from '../schemaless.ts';
import { type Json, JsonFraction, JsonParser, JsonSyntaxError, parseJson } from './parse.ts';
import { JsonScanner } from './scan.ts';

/**
 * Reads one document as schemaless values: Maps, arrays, int64 and doubles; text after it is ignored, blank text is
 * null. Objects keep a hold of the bytes, which must not change. @throws JsonSyntaxError
 */
export function readSchemalessJson(bytes: Buffer): unknown {
  scanner.exact = true;
  scanner.ascii = true;
  const start = scanner.space(bytes, 0);
  if (bytes[start] === 0x7b) {
    scanner.exact = true; // white space before the object is none of its text
    const end = scanner.value(bytes, start, 0);
    if (end >= 0) {
      const { exact } = scanner;
      if ((!scanner.ascii || end < bytes.length) && !isUtf8(bytes)) notUtf8();
      return new JsonObject(bytes, start, end, exact);
    }
  }
  if (!isUtf8(bytes)) notUtf8();
  return toSchemaless(parseJson(bytes, { allowTrailing: true }) ?? null);
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

const scanner = new JsonScanner();
const parser = new JsonParser();

/** A Map whose members are read from JSON bytes when the first of them is asked for. */
export class JsonObject extends Map<string, unknown> {
  /** The text, until a member is asked for. */
  #bytes: Buffer | undefined;
  readonly #start: number;
  readonly #end: number;
  readonly #exact: boolean;

  /** `[start, end)` is an object that a scanner walked over; `exact` is what it found. */
  constructor(bytes: Buffer, start: number, end: number, exact: boolean) {
    super();
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#exact = exact;
  }

  /**
   * The bytes of an object that nobody touched, when they are what would be written for it. Numbers, text and order
   * are as its writer wrote them; should a name be repeated, it is in the copy too.
   */
  get text(): Buffer | undefined {
    if (this.#bytes === undefined || !this.#exact) return undefined;
    return this.#start === 0 && this.#end === this.#bytes.length
      ? this.#bytes
      : this.#bytes.subarray(this.#start, this.#end);
  }

  #load(): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    this.#bytes = undefined;
    parser.open(bytes, this.#start + 1);
    parser.skipSpace();
    if (bytes[parser.at] !== 0x7d) {
      do {
        const name = parser.name();
        super.set(name, this.#member(bytes));
      } while (parser.separator(0x7d, "'}'"));
    }
    parser.close();
  }

  #member(bytes: Buffer): unknown {
    if (bytes[parser.at] !== 0x7b) return toSchemaless(parser.value(1));
    scanner.exact = true;
    const start = parser.at;
    const end = scanner.value(bytes, start, 0);
    parser.at = end;
    return new JsonObject(bytes, start, end, scanner.exact);
  }

  override get size(): number {
    this.#load();
    return super.size;
  }
  override get(name: string): unknown {
    this.#load();
    return super.get(name);
  }
  override has(name: string): boolean {
    this.#load();
    return super.has(name);
  }
  override set(name: string, value: unknown): this {
    this.#load();
    return super.set(name, value);
  }
  override delete(name: string): boolean {
    this.#load();
    return super.delete(name);
  }
  override clear(): void {
    this.#bytes = undefined;
    super.clear();
  }
  override forEach(
    callback: (value: unknown, name: string, map: Map<string, unknown>) => void,
    thisArg?: unknown,
  ): void {
    this.#load();
    super.forEach(callback, thisArg);
  }
  override keys(): MapIterator<string> {
    this.#load();
    return super.keys();
  }
  override values(): MapIterator<unknown> {
    this.#load();
    return super.values();
  }
  override entries(): MapIterator<[string, unknown]> {
    this.#load();
    return super.entries();
  }
  override [Symbol.iterator](): MapIterator<[string, unknown]> {
    this.#load();
    return super[Symbol.iterator]();
  }
}
