// io.debezium.converters.ByteArrayConverter and BinaryDataConverter: bytes as they are, anything else (heartbeats beside
// an outbox of bytes, say) by another converter that the config names.
import type { Converter, HeaderConverter, Headers } from '@millrace/connect-api';
import {
  BYTES,
  ByteWriter,
  dataError,
  javaToString,
  optional,
  type Schema,
  type SchemaAndValue,
} from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';

const DELEGATE = 'delegate.converter.type';

export const debeziumByteConverterConfig: ConfigDef = new ConfigDef([
  {
    name: DELEGATE,
    type: 'STRING',
    default: null,
    importance: 'LOW',
    width: 'NONE',
    displayName: 'Delegate converter type',
    doc: 'The class of the converter for what are no bytes; its keys follow behind this name and a dot.',
  },
]);

const OPTIONAL_BYTES = optional(BYTES);

export class DebeziumByteConverter implements Converter, HeaderConverter {
  readonly #delegates: (className: string) => Converter | undefined;
  #delegate: Converter | undefined;

  /** @param delegates makes the converter of a class, undefined when there is none */
  constructor(delegates: (className: string) => Converter | undefined) {
    this.#delegates = delegates;
  }

  configure(settings: RawConfig, isKey = false): void {
    const { config } = debeziumByteConverterConfig.parseOrThrow(settings, () => true);
    const className = config.optionalString(DELEGATE);
    if (className === undefined) return;
    const delegate = this.#delegates(className);
    if (delegate === undefined) {
      throw new MillraceError('config.invalid', `Unable to find class ${className}`, { configKey: DELEGATE });
    }
    delegate.configure(config.withPrefix(`${DELEGATE}.`), isKey);
    this.#delegate = delegate;
  }

  write(topic: string, headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean {
    if (schema === null || schema.type === 'bytes') {
      if (value === null) return false;
      if (value instanceof Uint8Array) {
        out.bytes(value);
        return true;
      }
    }
    if (this.#delegate === undefined) {
      const shown = javaToString(value, schema);
      throw dataError(`A ${topic} of type '${shown}' requires a ${DELEGATE} to be configured`);
    }
    return this.#delegate.write(topic, headers, schema, value, out);
  }

  read(_topic: string, _headers: Headers, bytes: Buffer | null): SchemaAndValue {
    return { schema: OPTIONAL_BYTES, value: bytes };
  }

  writeHeader(topic: string, _key: string, schema: Schema | null, value: unknown): Buffer | null {
    const out = new ByteWriter(64);
    return this.write(topic, [], schema, value, out) ? out.copyFrom() : null;
  }

  readHeader(topic: string, _key: string, bytes: Buffer | null): SchemaAndValue {
    return this.read(topic, [], bytes);
  }
}
