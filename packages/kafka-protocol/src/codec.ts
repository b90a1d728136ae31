// Frames of the Kafka protocol: headers and bodies of requests and responses, each (API, version) compiled on first
// use. A frame given to a decoder is without its 4 length bytes; encoders return it with them.
import { API, apiLayout, isFlexible } from './api.ts';
import type { Body, Encodable, RequestBody, ResponseBody } from './body.ts';
import { type BodyReader, type BodyWriter, compileReader, compileWriter } from './compile.ts';
import { fail } from './errors.ts';
import { type Field, parseLayout } from './layout.ts';
import { WireReader, WireWriter } from './wire.ts';

/** The head of a request. `bodyOffset` is where the body starts in the frame. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly bodyOffset: number;
}

type Direction = 'request' | 'response';
interface Codec {
  readonly read: BodyReader;
  readonly write: BodyWriter;
}

const UNSUPPORTED_VERSION = 35;
/** Array elements of one request, those of nested arrays included: far more than a node has partitions. INV-5. */
const MAX_ELEMENTS = 262_144;
const parsed = new Map<string, readonly Field[]>();
const codecs: Record<Direction, Map<number, Codec>> = { request: new Map(), response: new Map() };

/**
 * Reads the head of a request, of any API and version.
 *
 * @throws kafka.malformed
 */
export function decodeRequestHeader(frame: Buffer): RequestHeader {
  const reader = new WireReader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.string(true);
  if (isFlexible(apiKey, apiVersion)) reader.skipTags();
  return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.position };
}

/**
 * Reads the body of a request. Bytes behind it are accepted: librdkafka sends some. Buffers in the body are slices
 * of the frame.
 *
 * @throws kafka.malformed, kafka.unsupported_version
 */
export function decodeRequestBody<K extends number>(
  key: K,
  version: number,
  frame: Buffer,
  bodyOffset: number,
): RequestBody<K> {
  const reader = new WireReader(frame, bodyOffset, frame.length, MAX_ELEMENTS);
  return codec('request', key, version).read(reader) as RequestBody<K>;
}

/** Writes a request. Large byte fields come back as chunks of their own, not copied. */
export function encodeRequest<K extends number>(
  key: K,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: Encodable<RequestBody<K>>,
): Buffer[] {
  const { write } = codec('request', key, version);
  const writer = new WireWriter();
  writer.int32(0);
  writer.int16(key);
  writer.int16(version);
  writer.int32(correlationId);
  writer.string(clientId);
  if (isFlexible(key, version)) writer.uvarint(0);
  write(writer, body as object);
  return writer.finishFrame();
}

/** Writes a response. Large byte fields come back as chunks of their own, not copied. */
export function encodeResponse<K extends number>(
  key: K,
  version: number,
  correlationId: number,
  body: Encodable<ResponseBody<K>>,
): Buffer[] {
  const { write } = codec('response', key, version);
  const writer = new WireWriter();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasTaggedHeader(key, version)) writer.uvarint(0);
  write(writer, body as object);
  return writer.finishFrame();
}

/**
 * Reads a response. Buffers in the body are slices of the frame.
 *
 * @throws kafka.malformed, kafka.unsupported_version
 */
export function decodeResponse<K extends number>(
  key: K,
  version: number,
  frame: Buffer,
): { correlationId: number; body: ResponseBody<K> } {
  const reader = new WireReader(frame);
  const correlationId = reader.int32();
  if (hasTaggedHeader(key, version)) reader.skipTags();
  // A broker that does not know the version of an ApiVersions request answers in the layout of version 0 (KIP-511).
  const actual = isRefusedApiVersions(key, version, reader) ? 0 : version;
  return { correlationId, body: codec('response', key, actual).read(reader) as ResponseBody<K> };
}

// ApiVersions never has tags in its response header: its reader does not know yet what the peer speaks (KIP-511).
function hasTaggedHeader(key: number, version: number): boolean {
  return key !== API.ApiVersions && isFlexible(key, version);
}

function isRefusedApiVersions(key: number, version: number, reader: WireReader): boolean {
  if (key !== API.ApiVersions || version === 0 || reader.end - reader.position < 2) return false;
  return reader.buffer.readInt16BE(reader.position) === UNSUPPORTED_VERSION;
}

function codec(direction: Direction, key: number, version: number): Codec {
  const id = key * 256 + version;
  const known = codecs[direction].get(id);
  if (known) return known;
  const layout = apiLayout(key);
  if (!layout) return fail('kafka.unsupported_version', `API ${key} is not known.`, { apiKey: key });
  const [low, high] = layout.versions;
  if (!Number.isInteger(version) || version < low || version > high) {
    fail(
      'kafka.unsupported_version',
      `${layout.name} version ${version} is not known; versions ${low} to ${high} are.`,
      { apiKey: key, apiVersion: version },
    );
  }
  const name = `${direction} ${key}`;
  const fields = parsed.get(name) ?? parseLayout(layout[direction]);
  parsed.set(name, fields);
  const compiled = compile(fields, version, isFlexible(key, version));
  codecs[direction].set(id, compiled);
  return compiled;
}

// Reader and writer are compiled apart: a client never reads requests, a broker never writes them.
function compile(fields: readonly Field[], version: number, flexible: boolean): Codec {
  let reader: BodyReader | undefined;
  let writer: BodyWriter | undefined;
  return {
    read: (wire) => (reader ??= compileReader(fields, version, flexible))(wire),
    write: (wire, body) => (writer ??= compileWriter(fields, version, flexible))(wire, body),
  };
}

/** A versioned structure outside requests and responses, such as the members' metadata in a group. */
export interface StructCodec {
  /** Reads the fields, without a version in front. @throws kafka.malformed */
  decode(version: number, bytes: Buffer, position?: number): Body;
  /** Writes the fields, without a version in front. */
  encode(version: number, value: object): Buffer;
}

/** Makes the codec of a structure from its layout; `flexibleFrom` is NEVER for most. */
export function structCodec(layout: string, flexibleFrom: number): StructCodec {
  const fields = parseLayout(layout);
  const versions = new Map<number, Codec>();
  const forVersion = (version: number): Codec => {
    const known = versions.get(version) ?? compile(fields, version, version >= flexibleFrom);
    versions.set(version, known);
    return known;
  };
  return {
    decode: (version, bytes, position = 0) =>
      forVersion(version).read(new WireReader(bytes, position, bytes.length, MAX_ELEMENTS)),
    encode: (version, value) => {
      const writer = new WireWriter();
      forVersion(version).write(writer, value);
      return Buffer.concat(writer.finish());
    },
  };
}
