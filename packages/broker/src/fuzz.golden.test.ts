// Frames of real clients and of a real Kafka with bytes changed, cut and put in: every decoder gives a body or a typed
// error and never asks for more memory than the frame could be worth, and a broker that gets them serves on.
import { readdirSync, readFileSync } from 'node:fs';
import { MillraceError } from '@millrace/foundation';
import {
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  readBatchHeader,
  readRecords,
  writeBatchCrc,
} from '@millrace/kafka-protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { mutate } from './testing/mutate.ts';
import { GOLDENS } from './testing/replay.ts';
import { startTestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';
import { seededRandom } from './testing/test-log.ts';

const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
const ROUNDS = process.env['MILLRACE_TEST_MODE'] === 'faults' ? 400 : 20;
const WIRE = `${GOLDENS}wire/`;
const SEGMENTS = `${GOLDENS}segments/`;

interface Exchange {
  readonly api_key: number;
  readonly api_version: number;
  readonly request_hex: string;
  readonly response_hex: string | null;
}

const exchanges = readdirSync(WIRE)
  .filter((name) => name.endsWith('.jsonl'))
  .flatMap((name) =>
    readFileSync(WIRE + name, 'utf8')
      .trim()
      .split('\n'),
  )
  .map((line) => JSON.parse(line) as Exchange);

/** The batches of recorded log segments. */
const batches: Buffer[] = [];
for (const name of readdirSync(SEGMENTS, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.log')) continue;
  const bytes = readFileSync(SEGMENTS + name);
  for (let at = 0; at + 61 <= bytes.length && bytes[at + 16] === 2; ) {
    const { sizeInBytes } = readBatchHeader(bytes, at);
    if (sizeInBytes < 61 || at + sizeInBytes > bytes.length) break;
    batches.push(bytes.subarray(at, at + sizeInBytes));
    at += sizeInBytes;
  }
}

/** A batch with changed bytes behind its checksum, which is right again; undefined when too little is left. */
function mutateBatch(batch: Buffer, random: () => number): Buffer | undefined {
  const changed = Buffer.concat([batch.subarray(0, 21), mutate(batch.subarray(21), random)]);
  if (changed.length < 61) return undefined;
  changed.writeInt32BE(changed.length - 12, 8);
  writeBatchCrc(changed, 0, changed.length);
  return changed;
}

afterEach(() => vi.restoreAllMocks());

/** The largest piece of memory that was asked for since. */
function watchMemory(): { largest: number } {
  const watched = { largest: 0 };
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const original = Buffer[name].bind(Buffer);
    vi.spyOn(Buffer, name).mockImplementation((size: number) => {
      watched.largest = Math.max(watched.largest, size);
      return original(size);
    });
  }
  return watched;
}

/** Runs a decoder; fails when it throws anything but a typed error. */
function attempt(what: string, decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw new Error(`seed ${SEED}: ${what}`, { cause: error });
    return false;
  }
}

test(`Mutated frames are read or refused by every decoder (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  const memory = watchMemory();
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const { api_key, api_version, request_hex, response_hex } of exchanges) {
      const request = mutate(Buffer.from(request_hex, 'hex'), random);
      const read = attempt(`request ${request.toString('hex')}`, () => {
        const { apiKey, apiVersion, bodyOffset } = decodeRequestHeader(request);
        return decodeRequestBody(apiKey, apiVersion, request, bodyOffset);
      });
      if (!read) refused++;
      if (response_hex === null) continue;
      const response = mutate(Buffer.from(response_hex, 'hex'), random);
      attempt(`response ${api_key} v${api_version} ${response.toString('hex')}`, () =>
        decodeResponse(api_key, api_version, response),
      );
      expect(memory.largest).toBeLessThanOrEqual(Math.max(65_536, 2 * response.length, 2 * request.length));
    }
  }
  expect(refused).toBeGreaterThan(0);
}, 600_000);

test(`Mutated record batches with a right checksum are read or refused (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  expect(batches.length).toBeGreaterThan(10);
  for (let round = 0; round < ROUNDS; round++) {
    for (const batch of batches) {
      const changed = mutateBatch(batch, random);
      if (!changed) continue;
      attempt(`batch ${changed.toString('hex').slice(0, 2000)}`, () => readRecords(changed, 0));
    }
  }
}, 600_000);

/** Sends frames on one connection; resolves when all are answered or the broker hangs up. */
async function sendRaw(port: number, frames: readonly Buffer[]): Promise<void> {
  await using client = await TestClient.connect(port);
  // What comes back is nobody's concern here.
  client.socket.removeAllListeners('data');
  client.socket.resume();
  for (const frame of frames) {
    const length = Buffer.alloc(4);
    length.writeInt32BE(frame.length);
    client.socket.write(length);
    client.socket.write(frame);
  }
  client.socket.end();
  await Promise.race([client.closed(), new Promise((resolve) => setTimeout(resolve, 200).unref())]);
}

test(`A broker that gets mutated frames serves on (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  await using broker = await startTestBroker({ 'num.partitions': '1', 'max.connections.per.ip': '1000' });
  const { port } = broker.handle;
  await using witness = await TestClient.connect(port);
  await witness.send('Metadata', 9, { topics: [{ name: 'kept' }], allowAutoTopicCreation: true });
  await expect.poll(() => witness.produce('kept', 0, { values: ['before'] }).catch(() => -1)).toBe(0);
  for (let round = 0; round < Math.ceil(ROUNDS / 20); round++) {
    for (let at = 0; at < exchanges.length; at += 8) {
      const frames = exchanges
        .slice(at, at + 8)
        .map(({ request_hex }) => mutate(Buffer.from(request_hex, 'hex'), random));
      // One a connection too: a refused frame ends its connection, and those behind it are not looked at.
      await Promise.all([sendRaw(port, frames), ...frames.map((frame) => sendRaw(port, [frame]))]);
      expect(
        (await witness.send('ApiVersions', 3, { clientSoftwareName: 'w', clientSoftwareVersion: '1' }))
          .errorCode,
      ).toBe(0);
    }
  }
  const answered = new Set<number>();
  for (const batch of batches) {
    const records = mutateBatch(batch, random);
    if (!records) continue;
    const answer = await witness.send('Produce', 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: 'kept', partitionData: [{ index: 0, records }] }],
    });
    answered.add(answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1);
    const topics = [
      { name: 'kept', partitions: [{ partitionIndex: 0, timestamp: 1 + Math.floor(random() * 2e12) }] },
    ];
    await witness.send('ListOffsets', 7, { replicaId: -1, topics });
  }
  expect(answered.size).toBeGreaterThan(1);
  expect((await witness.fetch('kept', 0, 0)).includes('before')).toBe(true);
  expect(broker.handle.port).toBe(port);
}, 600_000);
