import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  API,
  apiSpec,
  crc32c,
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  kafkaError,
  kafkaErrorName,
  murmur2,
  NEVER,
  plainCrc32c,
  structCodec,
} from './index.ts';

const frameOf = (chunks: readonly Buffer[]): Buffer => Buffer.concat(chunks).subarray(4);

test('every version of every API writes its defaults and reads them back', () => {
  for (const key of Object.values(API)) {
    const spec = apiSpec(key);
    expect(spec).toBeDefined();
    for (let version = spec?.minVersion ?? 0; version <= (spec?.maxVersion ?? -1); version++) {
      const request = frameOf(encodeRequest(key, version, 7, 'c', {}));
      const header = decodeRequestHeader(request);
      expect(header).toMatchObject({ apiKey: key, apiVersion: version, correlationId: 7, clientId: 'c' });
      const body = decodeRequestBody(key as number, version, request, header.bodyOffset);
      expect(frameOf(encodeRequest(key as number, version, 7, 'c', body))).toEqual(request);
      const response = frameOf(encodeResponse(key, version, 7, {}));
      expect(decodeResponse(key as number, version, response).correlationId).toBe(7);
    }
  }
});

test('64-bit integers are numbers while safe and bigints beyond', () => {
  const values = [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)];
  for (const value of values) {
    const frame = frameOf(encodeRequest(API.InitProducerId, 4, 1, null, { producerId: value }));
    const { bodyOffset } = decodeRequestHeader(frame);
    expect(decodeRequestBody(API.InitProducerId, 4, frame, bodyOffset).producerId).toBe(value);
  }
});

test('large byte fields are passed on as chunks, not copied', () => {
  const records = [Buffer.alloc(3000, 1), Buffer.alloc(5, 2), Buffer.alloc(2000, 3)];
  const chunks = encodeRequest(API.Produce, 9, 1, 'c', {
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
  });
  expect(chunks).toContain(records[0]);
  expect(chunks).toContain(records[2]);
  const frame = Buffer.concat(chunks);
  expect(frame.readInt32BE(0)).toBe(frame.length - 4);
  const body = decodeRequestBody(
    API.Produce,
    9,
    frame.subarray(4),
    decodeRequestHeader(frame.subarray(4)).bodyOffset,
  );
  expect(body.topicData[0]?.partitionData[0]?.records).toEqual(Buffer.concat(records));
});

test('a refused ApiVersions request is read in the layout of version 0', () => {
  const apiKeys = [{ apiKey: 18, minVersion: 0, maxVersion: 3 }];
  const frame = frameOf(encodeResponse(API.ApiVersions, 0, 3, { errorCode: 35, apiKeys }));
  expect(decodeResponse(API.ApiVersions, 4, frame).body).toMatchObject({ errorCode: 35, apiKeys });
});

test('unknown versions and null in fields that must not be null are refused', () => {
  expect(() => encodeRequest(API.Fetch, 99, 1, null, {})).toThrowError(
    expect.objectContaining({ code: 'kafka.unsupported_version' }),
  );
  expect(() => encodeRequest(999, 0, 1, null, {})).toThrowError(
    expect.objectContaining({ code: 'kafka.unsupported_version' }),
  );
  expect(() => encodeRequest(API.Metadata, 0, 1, null, { topics: null })).toThrowError(
    expect.objectContaining({ code: 'kafka.malformed' }),
  );
});

test('INV-10: damaged frames give a typed error or a body, for every API and version', () => {
  const apis = Object.values(API) as number[];
  fc.assert(
    fc.property(
      fc.constantFrom(...apis),
      fc.nat(20),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 5 }),
      fc.uint8Array({ maxLength: 60 }),
      (key, step, flips, tail) => {
        const spec = apiSpec(key);
        if (!spec) return;
        const version = spec.minVersion + (step % (spec.maxVersion - spec.minVersion + 1));
        const frame = Buffer.concat([frameOf(encodeRequest(key, version, 1, 'client', {})), tail]);
        for (const [at, value] of flips) frame[at % frame.length] = value;
        for (const read of [
          () => decodeRequestBody(key, version, frame, 8),
          () => decodeResponse(key, version, frame),
          () => decodeRequestHeader(frame),
        ]) {
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ name: 'MillraceError', code: 'kafka.malformed' });
          }
        }
      },
    ),
    { numRuns: 5000 },
  );
});

test('a count that cannot fit is refused before anything is allocated', () => {
  const frame = Buffer.alloc(20);
  frame.writeInt32BE(0x7fff_ffff, 0);
  expect(() => decodeRequestBody(API.Metadata, 1, frame, 0)).toThrowError(/do not fit/);
});

test('INV-5: elements that would take far more memory than their bytes are refused', () => {
  // 3 bytes a group, of which an object is made.
  const groups = Buffer.alloc(3 * 300_000);
  for (let at = 0; at < groups.length; at += 3) groups[at] = 1;
  const count = Buffer.from([0xe1, 0xa7, 0x12]);
  const frame = Buffer.concat([count, groups, Buffer.from([0, 0])]);
  expect(() => decodeRequestBody(API.OffsetFetch, 8, frame, 0)).toThrowError(/more elements than/);
});

test('INV-5: a message is not written beyond 256 MB, however often it repeats itself', () => {
  const records = Buffer.alloc(1 << 20);
  const partitionData = Array.from({ length: 300 }, (_, index) => ({ index, records }));
  const topicData = [{ name: 't', partitionData }];
  expect(() => encodeRequest(API.Produce, 9, 1, null, { topicData })).toThrowError(/does not fit into/);
});

test('INV-10: a string is no longer than Kafka takes it, in compact form, too', () => {
  const joined = (groupId: string): Buffer => frameOf(encodeRequest(API.JoinGroup, 9, 1, null, { groupId }));
  const longest = joined('x'.repeat(32_767));
  const { bodyOffset } = decodeRequestHeader(longest);
  expect(decodeRequestBody(API.JoinGroup, 9, longest, bodyOffset).groupId).toHaveLength(32_767);
  // Its length is a varint of three bytes, the least significant first: one more.
  const longer = Buffer.concat([
    longest.subarray(0, bodyOffset),
    Buffer.from([0x81, 0x80, 0x02]),
    Buffer.alloc(40_000, 'x'),
  ]);
  expect(() => decodeRequestBody(API.JoinGroup, 9, longer, bodyOffset)).toThrowError(
    /a string of 32768 bytes/,
  );
  expect(() => joined('x'.repeat(32_768))).toThrowError(/does not fit/);
});

test('structures outside requests have codecs of their own', () => {
  const codec = structCodec(
    'topics: [string]\nuserData: bytes? = null\nowned: [struct] 1+ {\n topic: string\n}',
    NEVER,
  );
  const value = { topics: ['a', 'b'], userData: Buffer.from('u'), owned: [{ topic: 'a' }] };
  expect(codec.decode(1, codec.encode(1, value))).toEqual(value);
  expect(codec.decode(0, codec.encode(0, value))).toEqual({ ...value, owned: [] });
});

test('CRC-32C has its known values, natively and in plain code', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(plainCrc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.from('xx123456789x'), 2, 11)).toBe(0xe3069283);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => plainCrc32c(bytes) === crc32c(bytes)));
});

test('murmur2 gives what the Java client gives', () => {
  // From the tests of Kafka's own clients.
  const known: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [text, hash] of known) expect(murmur2(Buffer.from(text), 0, text.length)).toBe(hash);
});

test('error codes have names, and unknown ones a name that shows the number', () => {
  expect(kafkaErrorName(6)).toBe('NOT_LEADER_OR_FOLLOWER');
  expect(kafkaError(6).retriable).toBe(true);
  expect(kafkaErrorName(4711)).toBe('ERROR_4711');
});
