// What geometry transforms share: which fields hold geometries, in rows and in both rows of change events, and the
// header of well-known binary: byte order (0 big, 1 little), type (uint32, PostGIS flags in its high bits), SRID
// (uint32, only when the flag 0x20000000 is set), then the coordinates.
import { isEnvelope, Struct } from '@millrace/data';
import { DEBEZIUM_EXCEPTION } from './debezium-keys.ts';
import { recordError } from './errors.ts';
import { structOf } from './side.ts';

const GEOMETRY = 'io.debezium.data.geometry.Geometry';
const GEOGRAPHY = 'io.debezium.data.geometry.Geography';
export const SRID_FLAG = 0x20000000;

/** A geometry as Debezium's structs hold it. */
export interface Geometry {
  readonly wkb: Buffer;
  readonly srid: number | null;
}

/** The value with each geometry's bytes replaced by what `change` gives; the same object when none differ. */
export function mapGeometries(value: Struct, change: (geometry: Geometry) => Buffer): Struct {
  if (!isEnvelope(value.schema)) return mapRow(value, change);
  return mapFields(value, (name, content) =>
    (name === 'before' || name === 'after') && content instanceof Struct ? mapRow(content, change) : content,
  );
}

function mapRow(row: Struct, change: (geometry: Geometry) => Buffer): Struct {
  return mapFields(row, (_name, content) => {
    if (!(content instanceof Struct)) return content;
    const { schema } = content;
    if (schema.name !== GEOMETRY && schema.name !== GEOGRAPHY) return content;
    const wkb = schema.field('wkb') ? content.getRaw('wkb') : null;
    if (!(wkb instanceof Uint8Array)) return content;
    const srid = schema.field('srid') ? content.getRaw('srid') : null;
    const bytes = Buffer.from(wkb.buffer, wkb.byteOffset, wkb.byteLength);
    const changed = change({ wkb: bytes, srid: typeof srid === 'number' ? srid : null });
    return changed.equals(bytes)
      ? content
      : mapFields(content, (name, each) => (name === 'wkb' ? changed : each));
  });
}

function mapFields(struct: Struct, change: (name: string, content: unknown) => unknown): Struct {
  let changed: unknown[] | undefined;
  for (const { name, index } of struct.schema.fields) {
    const content = struct.at(index);
    const next = change(name, content);
    if (next === content) continue;
    changed ??= struct.toArray();
    changed[index] = next;
  }
  return changed ? structOf(struct.schema, changed) : struct;
}

/** Reads numbers in the byte order that the geometry says, and never past its end. */
export class WkbReader {
  readonly bytes: Buffer;
  at = 0;
  little = true;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** The byte order and the type with its flags. @throws transform.bad_record when the bytes end early */
  header(): number {
    this.require(1);
    this.little = this.bytes[this.at] === 1;
    this.at += 1;
    return this.uint32();
  }

  uint32(): number {
    this.require(4);
    const value = this.little ? this.bytes.readUInt32LE(this.at) : this.bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  require(length: number): void {
    if (this.at + length > this.bytes.length) {
      throw recordError(
        `A geometry of ${this.bytes.length} bytes ends early: byte ${this.at + length} was expected`,
        'java.nio.BufferUnderflowException',
      );
    }
  }
}

export function geometryError(message: string): Error {
  return recordError(message, DEBEZIUM_EXCEPTION);
}
