// io.debezium.transforms.GeometryFormatTransformer: geometries between WKB and EWKB, which carries the SRID. As in
// Debezium 3.6.2, `format` says what the geometries are now: `wkb` adds the SRID, `ewkb` takes it out.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { Struct } from '@millrace/data';
import { CONNECT_EXCEPTION, ConfigDef, type RawConfig } from '@millrace/foundation';
import { debeziumKey, oneOfValues } from './debezium-keys.ts';
import { recordError } from './errors.ts';
import { type Geometry, mapGeometries, SRID_FLAG, WkbReader } from './geometry.ts';
import { validatedByKey } from './validated-config.ts';

export const geometryFormatTransformerConfig: ConfigDef = new ConfigDef([
  debeziumKey('format', 'Target Format', 'The format of the geometries: wkb or ewkb.', {
    default: 'wkb',
    importance: 'LOW',
    width: 'MEDIUM',
    validator: oneOfValues('ewkb', 'wkb'),
  }),
]);

export class GeometryFormatTransformer implements Transformation {
  #convert: (geometry: Geometry) => Buffer = withSrid;

  configure(settings: RawConfig): void {
    const config = validatedByKey(geometryFormatTransformerConfig, settings);
    this.#convert = config.string('format').toLowerCase() === 'wkb' ? withSrid : withoutSrid;
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (!(record.value instanceof Struct)) return record;
    const value = mapGeometries(record.value, this.#convert);
    return value === record.value ? record : record.with({ value });
  }
}

/** EWKB of a WKB. */
function withSrid({ wkb, srid }: Geometry): Buffer {
  const reader = new WkbReader(wkb);
  const type = reader.header();
  if ((type & SRID_FLAG) !== 0) return wkb;
  if (srid === null) throw recordError('Cannot convert to EWKB when SRID is null', CONNECT_EXCEPTION);
  const head = Buffer.from(wkb.subarray(0, 5));
  const number = Buffer.alloc(4);
  if (reader.little) {
    head.writeUInt32LE((type | SRID_FLAG) >>> 0, 1);
    number.writeInt32LE(srid);
  } else {
    head.writeUInt32BE((type | SRID_FLAG) >>> 0, 1);
    number.writeInt32BE(srid);
  }
  return Buffer.concat([head, number, wkb.subarray(5)]);
}

/** WKB of an EWKB; anything else as it is. */
function withoutSrid({ wkb }: Geometry): Buffer {
  if (wkb.length < 9) return wkb;
  const reader = new WkbReader(wkb);
  const type = reader.header();
  if ((type & SRID_FLAG) === 0) return wkb;
  const head = Buffer.from(wkb.subarray(0, 5));
  if (reader.little) head.writeUInt32LE((type & ~SRID_FLAG) >>> 0, 1);
  else head.writeUInt32BE((type & ~SRID_FLAG) >>> 0, 1);
  return Buffer.concat([head, wkb.subarray(9)]);
}
