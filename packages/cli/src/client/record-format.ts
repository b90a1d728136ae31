// How `consume` prints records and `produce` reads them.
import { isUtf8 } from 'node:buffer';
import type { KafkaRecord } from '@millrace/kafka-protocol';
import { CliError } from './cli-error.ts';

/** A record with where it lies. */
export interface PlacedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: KafkaRecord;
}

/** Makes the bytes of one record, with what ends it. */
export type RecordFormatter = (placed: PlacedRecord) => Buffer;

export interface FormatOptions {
  readonly keys?: true;
  readonly headers?: true;
  /** What a null looks like. */
  readonly nullMarker: string;
}

const NEWLINE = Buffer.from('\n');
const TAB = Buffer.from('\t');
const EMPTY = Buffer.alloc(0);

/**
 * `text`: headers, key and value with tabs between and a line end; `raw`: the bytes of the value and nothing else;
 * `json`: an object a line; everything with a `%` is a template.
 *
 * @throws CliError for anything else
 */
export function recordFormatter(format: string, options: FormatOptions): RecordFormatter {
  if (format === 'json') return (placed) => Buffer.from(`${JSON.stringify(jsonOf(placed))}\n`);
  if (format === 'raw') return ({ record }) => record.value ?? EMPTY;
  if (format === 'text') return textFormatter(options);
  if (format.includes('%')) return templateFormatter(format, options.nullMarker);
  throw new CliError(
    `There is no format ${format}`,
    'a template holds at least one %',
    'Use text, raw, json, or a template such as "%k: %v\\n".',
    2,
  );
}

function textFormatter({ keys, headers, nullMarker }: FormatOptions): RecordFormatter {
  const none = Buffer.from(nullMarker);
  return ({ record }) => {
    const parts: Buffer[] = [];
    if (headers === true) parts.push(headersText(record, ':'), TAB);
    if (keys === true) parts.push(record.key ?? none, TAB);
    parts.push(record.value ?? none, NEWLINE);
    return Buffer.concat(parts);
  };
}

function headersText(record: KafkaRecord, separator: string): Buffer {
  if (record.headers.length === 0) return EMPTY;
  const parts = record.headers.flatMap(({ key, value }, i) => [
    Buffer.from(`${i === 0 ? '' : ','}${key}${separator}`),
    value ?? Buffer.from('null'),
  ]);
  return Buffer.concat(parts);
}

/** A record as JSON: text where the bytes are UTF-8, else base64 under a name that says so. */
export interface JsonRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key?: string | null;
  readonly keyBase64?: string;
  readonly value?: string | null;
  readonly valueBase64?: string;
  /** In order; a name may come twice. */
  readonly headers: readonly JsonHeader[];
}

export interface JsonHeader {
  readonly key: string;
  readonly value?: string | null;
  readonly valueBase64?: string;
}

function jsonOf({ topic, partition, record }: PlacedRecord): JsonRecord {
  const { offset, timestamp, key, value, headers } = record;
  return {
    topic,
    partition,
    offset,
    timestamp,
    ...jsonKey(key),
    ...jsonValue(value),
    headers: headers.map((header) => ({ key: header.key, ...jsonValue(header.value) })),
  };
}

function jsonKey(key: Buffer | null): Pick<JsonRecord, 'key' | 'keyBase64'> {
  const text = textOf(key);
  return text === undefined ? { keyBase64: key?.toString('base64') ?? '' } : { key: text };
}

function jsonValue(value: Buffer | null): Pick<JsonRecord, 'value' | 'valueBase64'> {
  const text = textOf(value);
  return text === undefined ? { valueBase64: value?.toString('base64') ?? '' } : { value: text };
}

/** Undefined when the bytes are no UTF-8. */
function textOf(bytes: Buffer | null): string | null | undefined {
  if (bytes === null) return null;
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

type Piece = Buffer | ((placed: PlacedRecord) => Buffer);

/** Names as kcat has them, and `%v` for the value. */
const TOKENS: Readonly<Record<string, (placed: PlacedRecord, none: Buffer) => Buffer>> = {
  t: ({ topic }) => Buffer.from(topic),
  p: ({ partition }) => Buffer.from(String(partition)),
  o: ({ record }) => Buffer.from(String(record.offset)),
  T: ({ record }) => Buffer.from(String(record.timestamp)),
  k: ({ record }, none) => record.key ?? none,
  v: ({ record }, none) => record.value ?? none,
  s: ({ record }, none) => record.value ?? none,
  K: ({ record }) => Buffer.from(String(record.key?.length ?? -1)),
  V: ({ record }) => Buffer.from(String(record.value?.length ?? -1)),
  S: ({ record }) => Buffer.from(String(record.value?.length ?? -1)),
  h: ({ record }) => headersText(record, '='),
  '%': () => Buffer.from('%'),
};
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };

function templateFormatter(template: string, nullMarker: string): RecordFormatter {
  const none = Buffer.from(nullMarker);
  const pieces: Piece[] = [];
  for (const [part] of template.matchAll(/%.|%$|\\x[\da-fA-F]{2}|\\.|\\$|[^%\\]+/gsu)) {
    if (part.startsWith('%')) {
      const token = TOKENS[part.slice(1)];
      if (!token)
        throw new CliError(
          `The format has ${part}`,
          `known are %${Object.keys(TOKENS).join(', %')}`,
          'Write %% for a percent sign.',
          2,
        );
      pieces.push((placed) => token(placed, none));
    } else if (part.startsWith('\\x')) pieces.push(Buffer.from(part.slice(2), 'hex'));
    else if (part.startsWith('\\')) pieces.push(Buffer.from(ESCAPES[part.slice(1)] ?? part));
    else pieces.push(Buffer.from(part));
  }
  return (placed) =>
    Buffer.concat(pieces.map((piece) => (typeof piece === 'function' ? piece(placed) : piece)));
}
