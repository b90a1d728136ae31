// io.debezium.transforms.SwapGeometryCoordinates: x and y of geometries change places, for sources that disagree on
// which of latitude and longitude comes first.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { Struct } from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';
import { debeziumKey } from './debezium-keys.ts';
import { type Geometry, geometryError, mapGeometries, SRID_FLAG, WkbReader } from './geometry.ts';
import { validatedByKey } from './validated-config.ts';

export const swapGeometryCoordinatesConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'srids',
    'Geometry SRIDs that should be considered for coordinate swapping',
    'The SRIDs of the geometries to change, as a list; all when absent.',
    {
      importance: 'LOW',
      width: 'MEDIUM',
      validator: (value) =>
        value === null || /^\s*-?\d+(\s*,\s*-?\d+)*\s*$/.test(String(value))
          ? undefined
          : 'A comma-separated list of integers is expected',
    },
  ),
]);

const POINT = 1;
const LINE = 2;
const POLYGON = 3;
const LAST_COLLECTION = 7;
const Z_FLAG = 0x80000000;
const M_FLAG = 0x40000000;
/** Collections in collections: more than that is no real geometry. */
const MAX_DEPTH = 32;

export class SwapGeometryCoordinates implements Transformation {
  #srids: ReadonlySet<number> | undefined;

  configure(settings: RawConfig): void {
    const srids = validatedByKey(swapGeometryCoordinatesConfig, settings).optionalString('srids');
    this.#srids = srids === undefined ? undefined : new Set(srids.split(',').map(Number));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (!(record.value instanceof Struct)) return record;
    const value = mapGeometries(record.value, (geometry) => this.#swap(geometry));
    return value === record.value ? record : record.with({ value });
  }

  #swap({ wkb, srid }: Geometry): Buffer {
    if (this.#srids && (srid === null || !this.#srids.has(srid))) return wkb;
    try {
      const reader = new WkbReader(Buffer.from(wkb));
      swapGeometry(reader, 0);
      return reader.bytes;
    } catch (cause) {
      if (!(cause instanceof MillraceError)) throw cause;
      throw new MillraceError('transform.bad_record', 'Failed to swap EWKB/WKB coordinates', {
        cause,
        javaClass: 'io.debezium.DebeziumException',
      });
    }
  }
}

/** Swaps within the geometry at the reader's place, in the reader's own bytes. */
function swapGeometry(reader: WkbReader, depth: number): void {
  const head = reader.header();
  if ((head & SRID_FLAG) !== 0) reader.uint32();
  const type = head & 0xff;
  const dimensions = 2 + ((head & Z_FLAG) === 0 ? 0 : 1) + ((head & M_FLAG) === 0 ? 0 : 1);
  if (type < POINT || type > LAST_COLLECTION || depth > MAX_DEPTH)
    throw geometryError(`Invalid geometry type: ${type}`);
  if (type === POINT) swapPoints(reader, 1, dimensions);
  else if (type === LINE) swapPoints(reader, reader.uint32(), dimensions);
  else if (type === POLYGON) {
    for (let rings = reader.uint32(); rings > 0; rings--) swapPoints(reader, reader.uint32(), dimensions);
  } else {
    for (let parts = reader.uint32(); parts > 0; parts--) swapGeometry(reader, depth + 1);
  }
}

function swapPoints(reader: WkbReader, count: number, dimensions: number): void {
  const { bytes } = reader;
  reader.require(count * dimensions * 8);
  for (let i = 0; i < count; i++) {
    const x = Buffer.from(bytes.subarray(reader.at, reader.at + 8));
    bytes.copyWithin(reader.at, reader.at + 8, reader.at + 16);
    x.copy(bytes, reader.at + 8);
    reader.at += dimensions * 8;
  }
}
