// Dates and times, under the modes of `time.precision.mode`.
import { type Schema, semantic } from '@millrace/data';
import { type ColumnMapping, type Decode, fromText, type Row } from './mapping.ts';
import {
  dateValue,
  type Infinity64,
  infiniteIntervalUs,
  intervalUs,
  isoDate,
  isoInterval,
  isoTime,
  isoTimestamp,
  isoTimestampPrinter,
  isoZonedTime,
  parseInterval,
  timestampMs,
  timestampNs,
  timestampUs,
  timeUs,
} from './temporal.ts';

/** Digits after the second: a type without a modifier has six. */
const fraction = (typmod: number): number => (typmod < 0 ? 6 : typmod);

export const date: Row = (_type, modes) => {
  if (modes.time === 'isostring') {
    return {
      schema: semantic('io.debezium.time.IsoDate'),
      encoding: 'decode',
      decode: (bytes, start, end) => `${isoDate(dateValue(bytes, start, end))}Z`,
      zero: '1970-01-01Z',
    };
  }
  const schema =
    modes.time === 'connect'
      ? semantic('org.apache.kafka.connect.data.Date')
      : semantic('io.debezium.time.Date');
  return { schema, encoding: 'decode', decode: dateValue, zero: 0 };
};

const mapping = (schema: Schema, decode: Decode, zero: unknown = 0): ColumnMapping => ({
  schema,
  encoding: 'decode',
  decode,
  zero,
});

export const time: Row = ({ typmod }, modes) => {
  const micros =
    (factor: number): Decode =>
    (bytes, start, end) =>
      timeUs(bytes, start, end) * factor;
  const millis: Decode = (bytes, start, end) => Math.floor(timeUs(bytes, start, end) / 1000);
  switch (modes.time) {
    case 'connect':
      return mapping(semantic('org.apache.kafka.connect.data.Time'), millis);
    case 'isostring':
      return mapping(
        semantic('io.debezium.time.IsoTime'),
        (bytes, start, end) => `${isoTime(timeUs(bytes, start, end) % 86_400_000_000, 0)}Z`,
        '00:00:00Z',
      );
    case 'nanoseconds':
      return mapping(semantic('io.debezium.time.NanoTime'), micros(1000));
    case 'adaptive':
      return fraction(typmod) <= 3
        ? mapping(semantic('io.debezium.time.Time'), millis)
        : mapping(semantic('io.debezium.time.MicroTime'), micros(1));
    case 'adaptive_time_microseconds':
    case 'microseconds':
      return mapping(semantic('io.debezium.time.MicroTime'), micros(1));
    default:
      return modes.time satisfies never;
  }
};

/** The moments that stand for infinity in the other modes, since a reader of ISO text knows no such word. */
const ISO_INFINITY: Readonly<Record<string, string>> = {
  infinity: '+294247-01-10T04:00:25.2Z',
  '-infinity': '-290308-12-21T19:59:27.6Z',
};

export const timestamp: Row = ({ typmod }, modes) => {
  switch (modes.time) {
    case 'connect':
      return mapping(semantic('org.apache.kafka.connect.data.Timestamp'), timestampMs);
    case 'isostring':
      return mapping(
        semantic('io.debezium.time.IsoTimestamp'),
        (bytes, start, end) => {
          const text = isoTimestamp(bytes, start, end, 0);
          return ISO_INFINITY[text] ?? text;
        },
        '1970-01-01T00:00:00Z',
      );
    case 'nanoseconds':
      return mapping(semantic('io.debezium.time.NanoTimestamp'), timestampNs);
    case 'adaptive':
    case 'adaptive_time_microseconds':
      return fraction(typmod) <= 3
        ? mapping(semantic('io.debezium.time.Timestamp'), timestampMs)
        : mapping(semantic('io.debezium.time.MicroTimestamp'), timestampUs);
    case 'microseconds':
      return mapping(semantic('io.debezium.time.MicroTimestamp'), timestampUs);
    default:
      return modes.time satisfies never;
  }
};

export const zonedTimestamp: Row = ({ typmod }) => {
  const scale = fraction(typmod);
  return {
    schema: semantic('io.debezium.time.ZonedTimestamp'),
    encoding: 'text',
    decode: (bytes, start, end) => isoTimestamp(bytes, start, end, scale),
    print: isoTimestampPrinter(scale),
    zero: '1970-01-01T00:00:00Z',
  };
};

export const zonedTime: Row = () => ({
  schema: semantic('io.debezium.time.ZonedTime'),
  encoding: 'decode',
  decode: isoZonedTime,
  zero: '00:00:00Z',
});

export const interval: Row = (_type, modes) => {
  const parts = (
    use: (parsed: NonNullable<ReturnType<typeof parseInterval>>) => unknown,
    infinite: (name: Infinity64) => unknown,
  ): Decode =>
    fromText((text) => {
      if (text === 'infinity' || text === '-infinity') return infinite(text);
      const parsed = parseInterval(text);
      return parsed === undefined ? null : use(parsed);
    });
  return modes.interval === 'string'
    ? {
        schema: semantic('io.debezium.time.Interval'),
        encoding: 'decode',
        decode: parts(isoInterval, (name) => name),
        zero: isoInterval({ months: 0, days: 0, us: 0n }),
      }
    : {
        schema: semantic('io.debezium.time.MicroDuration'),
        encoding: 'decode',
        decode: parts(intervalUs, infiniteIntervalUs),
        zero: 0,
      };
};
