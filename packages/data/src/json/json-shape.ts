// What stands between the values of a JSON object. Records of a topic have the same members in the same order, so these
// bytes are compared with those of an object seen before, and names are not read again. Where objects keep changing,
// learning them is not worth its time, and stops.
import { ByteWriter } from '../byte-writer.ts';
import { JsonParser } from './parse.ts';
import { JsonScanner } from './scan.ts';
import { writeString } from './text.ts';

/** The members that all shapes of one memory may have together. */
const MAX_MEMBERS = 4096;
/**
 * Learning an object takes as long as dozens of matches save, so matches pay for it; so that learning is tried again at
 * times, each object that matches nothing pays a little.
 */
const LEARNING_COST = 4096;
const MATCH_PAYS = 64;
const MISS_PAYS = 1;
const FIRST_CREDIT = 2 * LEARNING_COST;
const MAX_CREDIT = 4 * LEARNING_COST;
/** Longer texts are not remembered. */
const MAX_TEXT = 256;
const NOTHING = new Uint8Array(0);

const parser = new JsonParser();
const scanner = new JsonScanner();

/** Names, and what is around them. */
export class JsonShape {
  readonly names: readonly string[];
  /** The bytes before each value; the last ones close the object. */
  readonly pieces: readonly Uint8Array[];
  /** Whether the pieces are just what our writer would write. */
  readonly exact: boolean;
  readonly ascii: boolean;
  /** What was seen at each member. */
  readonly places: readonly JsonPlace[];
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(names: readonly string[], pieces: readonly Uint8Array[]) {
    this.names = names;
    this.pieces = pieces;
    this.ascii = pieces.every((piece) => piece.every((byte) => byte < 0x80));
    this.exact = pieces.every((piece, i) => Buffer.compare(piece, written(names, i)) === 0);
    this.places = names.map(() => new JsonPlace());
    this.#indexes = new Map(names.map((name, i) => [name, i]));
  }

  /** Where a member is among the values; -1 when there is none of that name. */
  indexOf(name: string): number {
    return this.#indexes.get(name) ?? -1;
  }
  get repeatsName(): boolean {
    return this.#indexes.size < this.names.length;
  }
  /** Members, those of objects inside included. */
  get size(): number {
    return this.places.reduce((sum, { shape }) => sum + (shape?.size ?? 0), this.names.length);
  }
}

/** What was seen lately at one place of documents. */
export class JsonPlace {
  /** Of the object that was learnt. */
  shape: JsonShape | undefined;
  /** The last text. */
  text = '';
  /** That text in quotes, if it came twice in a row and is ASCII without escapes: it is likely to come again. */
  quoted: Uint8Array = NOTHING;
  #credit = FIRST_CREDIT;

  matched(): void {
    if (this.#credit < MAX_CREDIT) this.#credit += MATCH_PAYS;
  }

  /** An object did not match: whether to learn from it. */
  missed(): boolean {
    const pays = this.#credit >= LEARNING_COST;
    this.#credit += pays ? -LEARNING_COST : MISS_PAYS;
    return pays;
  }

  /** Takes note of a text; returns it. */
  saw(text: string): string {
    if (text.length > MAX_TEXT) return text;
    if (text !== this.text) {
      this.text = text;
      this.quoted = NOTHING;
    } else if (this.quoted.length === 0 && /^[ !#-[\]-~]*$/.test(text)) {
      this.quoted = Buffer.from(`"${text}"`, 'latin1');
    }
    return text;
  }
}

/** What a reader knows of its documents. Bounded, whatever comes. */
export class JsonMemory {
  readonly root: JsonPlace = new JsonPlace();
  #left = MAX_MEMBERS;

  /** An object that was walked over and starts at `start` did not match what its place knew: learns from it, or not. */
  learn(place: JsonPlace, bytes: Buffer, start: number): void {
    if (!place.missed()) return;
    const shape = shapeOf(bytes, start);
    const left = this.#left + (place.shape?.size ?? 0) - shape.size;
    if (shape.repeatsName || left < 0) return;
    this.#left = left;
    place.shape = shape;
  }
}

/** The shape of the object at `start`, which a scanner has walked over. */
function shapeOf(bytes: Buffer, start: number): JsonShape {
  const names: string[] = [];
  const pieces: Uint8Array[] = [];
  let from = start;
  let at = scanner.space(bytes, start + 1);
  while (bytes[at] !== 0x7d) {
    parser.open(bytes, bytes[at] === 0x2c ? at + 1 : at);
    names.push(parser.name());
    pieces.push(Buffer.from(bytes.subarray(from, parser.at)));
    from = scanner.value(bytes, parser.at, 0);
    at = scanner.space(bytes, from);
  }
  parser.close();
  pieces.push(Buffer.from(bytes.subarray(from, at + 1)));
  return new JsonShape(names, pieces);
}

/** What our writer writes before the value of a member, or behind the last. */
function written(names: readonly string[], index: number): Buffer {
  const out = new ByteWriter(64);
  if (index === 0) out.byte(0x7b);
  const name = names[index];
  if (name === undefined) {
    out.byte(0x7d);
  } else {
    if (index > 0) out.byte(0x2c);
    writeString(out, name);
    out.byte(0x3a);
  }
  return out.copyFrom();
}
