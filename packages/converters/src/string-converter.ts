// org.apache.kafka.connect.storage.StringConverter: any value as the text Java would print, read back as a string.
import type { Converter, HeaderConverter, Headers } from '@millrace/connect-api';
import {
  BigDecimal,
  type ByteWriter,
  javaToString,
  optional,
  type Schema,
  type SchemaAndValue,
  STRING,
} from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';

export const stringConverterConfig: ConfigDef = new ConfigDef([
  {
    name: 'converter.encoding',
    type: 'STRING',
    default: 'UTF-8',
    importance: 'HIGH',
    width: 'MEDIUM',
    displayName: 'Encoding',
    doc: 'The name of the Java character set to use for encoding strings as byte arrays.',
  },
]);

const ENCODINGS: Readonly<Record<string, BufferEncoding>> = {
  'UTF-8': 'utf8',
  UTF8: 'utf8',
  'ISO-8859-1': 'latin1',
  LATIN1: 'latin1',
  'US-ASCII': 'ascii',
  'UTF-16LE': 'utf16le',
};
const OPTIONAL_STRING = optional(STRING);

/** Half a character, where a text was cut, is a question mark to Java. */
function encodable(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '?');
}

export class StringConverter implements Converter, HeaderConverter {
  #encoding: BufferEncoding = 'utf8';

  configure(settings: RawConfig): void {
    const name = stringConverterConfig.parseOrThrow(settings, () => true).config.string('converter.encoding');
    const encoding = ENCODINGS[name.toUpperCase()];
    if (!encoding) {
      throw new MillraceError(
        'config.invalid',
        `Invalid value ${name} for configuration converter.encoding: unknown character set`,
        {
          configKey: 'converter.encoding',
          hint: `Use one of ${Object.keys(ENCODINGS).join(', ')}.`,
          javaClass: 'org.apache.kafka.common.config.ConfigException',
        },
      );
    }
    this.#encoding = encoding;
  }

  write(_topic: string, _headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    if (value === null) return false;
    const text = encodable(textOf(value, schema));
    if (this.#encoding === 'utf8') out.utf8(text);
    else out.bytes(Buffer.from(text, this.#encoding));
    return true;
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    return { schema: OPTIONAL_STRING, value: bytes === null ? null : bytes.toString(this.#encoding) };
  }

  writeHeader(_topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    return value === null ? null : Buffer.from(encodable(textOf(value, schema)), this.#encoding);
  }

  readHeader(topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    return this.read(topic, [], bytes);
  }
}

function textOf(value: unknown, schema: Schema | null): string {
  if (typeof value === 'string') return value;
  if (value instanceof BigDecimal) return value.toPlainString();
  return javaToString(value, schema);
}
