// Frames of real clients and a real broker decode and encode to the same bytes.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  apiSpec,
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from './index.ts';

interface Exchange {
  client: string;
  api_key: number;
  api_version: number;
  request_hex: string;
  response_hex: string | null;
  note?: string;
}

const FOLDER = new URL('../../../testdata/goldens/kafka/wire/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl'));
const exchangesIn = (name: string): Exchange[] =>
  readFileSync(new URL(name, FOLDER), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Exchange);

/** Bytes behind the body, which some clients send; they cannot come back. */
const withoutTail = (bytes: Buffer, length: number): string => bytes.subarray(0, length).toString('hex');

test('there are frames to read', () => {
  expect(files.length).toBeGreaterThan(50);
});

test.each(files)('%s: every frame decodes and encodes to the same bytes', (name) => {
  for (const { client, api_key, api_version, request_hex, response_hex } of exchangesIn(name)) {
    const about = `${client} ${name} v${api_version}`;
    if ((apiSpec(api_key)?.maxVersion ?? -1) < api_version) continue; // franz-go probes ApiVersions 5
    const request = Buffer.from(request_hex, 'hex');
    const header = decodeRequestHeader(request);
    expect(header, about).toMatchObject({ apiKey: api_key, apiVersion: api_version });
    const body = decodeRequestBody(api_key, api_version, request, header.bodyOffset);
    const again = Buffer.concat(
      encodeRequest(api_key, api_version, header.correlationId, header.clientId, body),
    ).subarray(4);
    expect(again.toString('hex'), `${about} request`).toBe(withoutTail(request, again.length));

    if (response_hex === null) continue;
    const response = Buffer.from(response_hex, 'hex');
    const decoded = decodeResponse(api_key, api_version, response);
    const refused = api_key === 18 && (decoded.body as { errorCode: number }).errorCode === 35;
    const back = Buffer.concat(
      encodeResponse(api_key, refused ? 0 : api_version, decoded.correlationId, decoded.body),
    ).subarray(4);
    expect(back.toString('hex'), `${about} response`).toBe(response_hex);
  }
});
