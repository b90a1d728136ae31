// The contracts of converters, transformations and predicates.

import type { ByteWriter, Schema, SchemaAndValue } from '@millrace/data';
import type { ConfigDef, RawConfig } from '@millrace/foundation';
import type { ConnectRecord, Headers } from './record.ts';

/**
 * Connect data to bytes and back, for the key or the value of records. One instance per task and side. Deterministic:
 * equal keys give equal bytes.
 */
export interface Converter {
  /** Settings with their prefix (`value.converter.`) cut off. Throws `config.invalid`. */
  configure(settings: RawConfig, isKey: boolean): void;
  /**
   * Work to do once per topic and schema before `write`, such as registering it; absent = none. The worker awaits it
   * the first time it meets a schema object on a topic.
   */
  prepareWrite?(topic: string, schema: Schema | null): Promise<void>;
  /** Appends the value's bytes to `out`. Returns false, having written nothing, when the value is a null (a tombstone). */
  write(topic: string, headers: Headers, schema: Schema | null, value: unknown, out: ByteWriter): boolean;
  /** Work to do before `read` for these bytes, such as fetching a schema by id; undefined = none. */
  prepareRead?(topic: string, bytes: Buffer): Promise<void> | undefined;
  /** The value of `bytes`, which the result may keep slices of. */
  read(topic: string, headers: Headers, bytes: Buffer | null): SchemaAndValue;
}

/** Connect data to bytes and back, for single headers. */
export interface HeaderConverter {
  configure(settings: RawConfig): void;
  writeHeader(topic: string, key: string, schema: Schema | null, value: unknown): Buffer | null;
  readHeader(topic: string, key: string, bytes: Buffer | null): SchemaAndValue;
}

/** Record in, record or null (dropped) out. Pure per record; keeps caches only. */
export interface Transformation {
  /** Settings with their prefix (`transforms.x.`) cut off. Throws `config.invalid`. */
  configure(settings: RawConfig): void;
  apply<R extends ConnectRecord>(record: R): R | null;
  close?(): void;
}

export interface Predicate {
  configure(settings: RawConfig): void;
  test(record: ConnectRecord): boolean;
}

interface SimplePlugin<T> {
  /** Java class name that configs use; the plug-in's identity. */
  readonly className: string;
  /** Further names it answers to. */
  readonly aliases?: readonly string[];
  /** Shown by `/connector-plugins`; null where Connect shows none. */
  readonly version: string | null;
  readonly configDef: ConfigDef;
  create(): T;
}

export interface ConverterPlugin extends SimplePlugin<Converter> {
  readonly kind: 'converter';
}
export interface HeaderConverterPlugin extends SimplePlugin<HeaderConverter> {
  readonly kind: 'header_converter';
}
export interface TransformationPlugin extends SimplePlugin<Transformation> {
  readonly kind: 'transformation';
}
export interface PredicatePlugin extends SimplePlugin<Predicate> {
  readonly kind: 'predicate';
}
