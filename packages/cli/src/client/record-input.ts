// Records as `produce` reads them from lines.
import { messageOf } from '@millrace/foundation';
import type { RecordHeader } from '@millrace/kafka-protocol';
import { CliError } from './cli-error.ts';

export interface InputRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  /** Absent = where its key belongs. */
  readonly partition?: number | undefined;
  /** Absent = now. */
  readonly timestamp?: number | undefined;
}

export interface LineOptions {
  /** Of every record that brings none. */
  readonly key: Buffer | undefined;
  readonly keySeparator: Buffer | undefined;
  readonly parseHeaders: boolean;
  readonly headers: readonly RecordHeader[];
  readonly partition: number | undefined;
  readonly nullMarker: Buffer | undefined;
}

const TAB = Buffer.from('\t');

/** `HEADERS<tab>KEY<separator>VALUE`, of which only the value must be there. @throws CliError that names the line */
export function parseLine(line: Buffer, options: LineOptions, number: number): InputRecord {
  let rest = line;
  let headers = options.headers;
  if (options.parseHeaders) {
    const [text, after] = cut(rest, TAB, number, 'headers');
    headers = [...headers, ...parseHeaders(text, number)];
    rest = after;
  }
  let key = options.key ?? null;
  if (options.keySeparator !== undefined) [key, rest] = cut(rest, options.keySeparator, number, 'key');
  const nullable = (bytes: Buffer | null): Buffer | null =>
    bytes !== null && options.nullMarker?.equals(bytes) === true ? null : bytes;
  return { key: nullable(key), value: nullable(rest), headers, partition: options.partition };
}

function cut(line: Buffer, separator: Buffer, number: number, what: string): [Buffer, Buffer] {
  const at = separator.length === 0 ? -1 : line.indexOf(separator);
  if (at >= 0) return [line.subarray(0, at), line.subarray(at + separator.length)];
  throw new CliError(
    `Line ${number} has no ${what}`,
    `it does not hold ${JSON.stringify(separator.toString())}`,
    `Write ${what === 'key' ? 'KEY, the separator, VALUE' : 'the headers, a tab, and the rest'} on each line.`,
    2,
  );
}

function parseHeaders(text: Buffer, number: number): RecordHeader[] {
  if (text.length === 0) return [];
  return text
    .toString('utf8')
    .split(',')
    .map((part) => {
      const at = part.indexOf(':');
      if (at < 1)
        throw new CliError(
          `Line ${number} has a header without a name`,
          JSON.stringify(part.slice(0, 80)),
          'Write headers as NAME:VALUE,NAME:VALUE.',
          2,
        );
      return { key: part.slice(0, at), value: Buffer.from(part.slice(at + 1)) };
    });
}

/** A record as `consume -f json` prints it; offset and topic in it are not looked at. @throws CliError */
export function parseJsonRecord(line: Buffer, options: LineOptions, number: number): InputRecord {
  const wrong = (why: string): CliError =>
    new CliError(
      `Line ${number} is no record`,
      why,
      'Write {"key": "...", "value": "...", "headers": [{"key": "...", "value": "..."}]}, as `consume -f json` prints.',
      2,
    );
  let json: unknown;
  try {
    json = JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw wrong(messageOf(error));
  }
  if (!isObject(json)) throw wrong('it is not an object');
  const { headers, partition, timestamp } = json;
  if (headers !== undefined && !Array.isArray(headers)) throw wrong('headers is not a list');
  const listed = (headers ?? []) as unknown[];
  return {
    key: bytesOf(json, 'key', wrong) ?? options.key ?? null,
    value: bytesOf(json, 'value', wrong) ?? null,
    headers: [
      ...options.headers,
      ...listed.map((header) => {
        const key = isObject(header) ? header['key'] : undefined;
        if (!isObject(header) || typeof key !== 'string') throw wrong('a header has no key');
        return { key, value: bytesOf(header, 'value', wrong) ?? null };
      }),
    ],
    partition: options.partition ?? wholeNumber(partition, 'partition', wrong),
    timestamp: wholeNumber(timestamp, 'timestamp', wrong),
  };
}

/** Text as UTF-8, `NAMEBase64` as bytes, any other JSON as its text; undefined when it is null or absent. */
function bytesOf(
  json: Readonly<Record<string, unknown>>,
  name: string,
  wrong: (why: string) => CliError,
): Buffer | undefined {
  const encoded = json[`${name}Base64`];
  if (encoded !== undefined) {
    if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded))
      throw wrong(`${name}Base64 is not base64`);
    return Buffer.from(encoded, 'base64');
  }
  const value = json[name];
  if (value === undefined || value === null) return undefined;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

function wholeNumber(value: unknown, name: string, wrong: (why: string) => CliError): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw wrong(`${name} is not a whole number`);
  return Number(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
