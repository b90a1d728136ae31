// Template structs to JSON, from bytes that are prepared once for many of them: between these only what varies is written.
// What is null or of another template in one struct mostly is in the next one, too, so its bytes are joined with those
// around it: of an event, that leaves its row and its position.
import { ByteWriter, Literal } from '../byte-writer.ts';
import { type StructTemplate, TemplateStruct, VARYING, VaryingText } from '../struct.ts';
import { writeInteger, writeString } from './text.ts';
import type { ValueWriter } from './writer.ts';

/** How the fields of a schema are written. */
export interface FieldParts {
  /** `{"first":`, `,"second":`, ... */
  readonly names: readonly Buffer[];
  readonly writers: () => readonly ValueWriter[];
}

/** Where a varying value is: at `slot`, or at `inner` of the template struct there. */
interface Place {
  readonly slot: number;
  /** -1 = the value at `slot` itself. */
  readonly inner: number;
  readonly write: ValueWriter;
  /** Any value may be there, not only an integer within a text. */
  readonly isWhole: boolean;
}

/** Bytes and varying values in turn; the bytes begin and end. */
interface Pieces {
  readonly literals: readonly Literal[];
  readonly places: readonly Place[];
}

/** By slot, what bytes can be prepared for: null, or structs of a template; undefined for all else. */
type Shape = readonly (StructTemplate | null | undefined)[];

interface Prepared {
  readonly plain: Pieces;
  /** Of the last struct; undefined before there was one. */
  shape: Shape | undefined;
  /** Structs in a row that had that shape. */
  uses: number;
  joined: Pieces | undefined;
}

/** Structs of one shape after which joining their bytes is worth it: it takes as long as writing some ten of them. */
const WORTH_JOINING = 4;

/** Writes structs of one schema; what is prepared stays with the templates, under the key of their `owner`. */
export class TemplateWriter {
  readonly #owner: object;
  readonly #fields: FieldParts;
  /** Of the last struct. */
  #template: StructTemplate | undefined;
  #prepared: Prepared | undefined;

  constructor(owner: object, fields: FieldParts) {
    this.#owner = owner;
    this.#fields = fields;
  }

  /** False, having written nothing, for the first of a template, which may be its only one. */
  write({ template, varying }: TemplateStruct, out: ByteWriter): boolean {
    if (template !== this.#template) {
      this.#prepared = this.#preparedOf(template);
      this.#template = this.#prepared && template;
    }
    const prepared = this.#prepared;
    if (prepared === undefined) return false;
    if (prepared.shape === undefined || !hasShape(varying, prepared.shape)) {
      prepared.shape = shapeOf(varying, prepared.plain);
      prepared.uses = 0;
      prepared.joined = undefined;
    } else if (prepared.joined === undefined && ++prepared.uses === WORTH_JOINING) {
      prepared.joined = this.#join(prepared.plain, prepared.shape);
    }
    const { literals, places } = prepared.joined ?? prepared.plain;
    for (let i = 0; i < places.length; i++) {
      const { slot, inner, write } = places[i] as Place;
      out.literal(literals[i] as Literal);
      write(inner < 0 ? varying[slot] : (varying[slot] as TemplateStruct).varying[inner], out);
    }
    out.literal(literals[places.length] as Literal);
    return true;
  }

  /** Undefined when the template was not seen before. */
  #preparedOf(template: StructTemplate): Prepared | undefined {
    const found = template.prepared.get(this.#owner) as Prepared | 'seen' | undefined;
    if (found !== undefined && found !== 'seen') return found;
    if (found === undefined) {
      template.prepared.set(this.#owner, 'seen');
      return undefined;
    }
    const prepared = { plain: this.#prepare(template), shape: undefined, uses: 0, joined: undefined };
    template.prepared.set(this.#owner, prepared);
    return prepared;
  }

  #prepare({ constants }: StructTemplate): Pieces {
    const { names } = this.#fields;
    const writers = this.#fields.writers();
    const pieces = new PiecesBuilder();
    const { scratch } = pieces;
    let slot = 0;
    constants.forEach((constant, i) => {
      scratch.bytes(names[i] as Buffer);
      const write = writers[i] as ValueWriter;
      if (constant === VARYING) {
        pieces.add({ slot: slot++, inner: -1, write, isWhole: true });
      } else if (constant instanceof VaryingText) {
        writeString(scratch, constant.before);
        scratch.position -= 1; // without the quote that ends it
        pieces.add({ slot: slot++, inner: -1, write: writeIntegerValue, isWhole: false });
        writeString(scratch, constant.after);
        scratch.buffer.copyWithin(0, 1); // without the quote that begins it
        scratch.position -= 1;
      } else {
        write(constant, scratch);
      }
    });
    scratch.byte(0x7d);
    return pieces.end();
  }

  #join(plain: Pieces, shape: Shape): Pieces {
    const pieces = new PiecesBuilder();
    const { scratch } = pieces;
    plain.places.forEach((place, slot) => {
      scratch.bytes((plain.literals[slot] as Literal).bytes);
      const form = shape[slot];
      const within = form?.prepared.get(this.#owner) as Prepared | 'seen' | undefined;
      if (form === null) {
        place.write(null, scratch);
      } else if (within === undefined || within === 'seen') {
        pieces.add(place);
      } else {
        within.plain.places.forEach((each, inner) => {
          scratch.bytes((within.plain.literals[inner] as Literal).bytes);
          pieces.add({ ...each, slot, inner });
        });
        scratch.bytes((within.plain.literals.at(-1) as Literal).bytes);
      }
    });
    scratch.bytes((plain.literals.at(-1) as Literal).bytes);
    return pieces.end();
  }
}

/** What is written to `scratch` becomes the bytes before the next place. */
class PiecesBuilder {
  readonly scratch = new ByteWriter(1024);
  readonly #literals: Literal[] = [];
  readonly #places: Place[] = [];

  add(place: Place): void {
    this.#cut();
    this.#places.push(place);
  }

  end(): Pieces {
    this.#cut();
    return { literals: this.#literals, places: this.#places };
  }

  #cut(): void {
    this.#literals.push(new Literal(this.scratch.copyFrom()));
    this.scratch.reset();
  }
}

function shapeOf(varying: readonly unknown[], { places }: Pieces): Shape {
  return places.map(({ isWhole }, slot) => {
    const value = varying[slot] ?? null;
    if (!isWhole) return undefined;
    return value instanceof TemplateStruct ? value.template : value === null ? null : undefined;
  });
}

function hasShape(varying: readonly unknown[], shape: Shape): boolean {
  for (let slot = 0; slot < shape.length; slot++) {
    const form = shape[slot];
    if (form === undefined) continue;
    const value = varying[slot] ?? null;
    if (form === null ? value !== null : !(value instanceof TemplateStruct) || value.template !== form)
      return false;
  }
  return true;
}

const writeIntegerValue: ValueWriter = (value, out) => writeInteger(out, value as number | bigint);
