/** Schemas, structs, logical types, the change envelope and naming. */
export { ByteWriter } from './byte-writer.ts';
export {
  CONTRACT_VERSION,
  ENVELOPE,
  envelopeSchema,
  isEnvelope,
  type Operation,
  sourceSchema,
  TRANSACTION_BLOCK,
} from './envelope.ts';
export {
  dataError,
  dataErrors,
  isUnconvertible,
  requiredValue,
  unconvertible,
  unconvertibleText,
} from './errors.ts';
export { int64, isInt64, parseInt64 } from './int64.ts';
export { javaBucketHash, javaStringHash } from './java-hash.ts';
export { javaBigDecimal, javaDouble, javaFloat } from './java-text.ts';
export { javaClassOf, javaToString } from './java-values.ts';
export { JsonObject, readSchemalessJson, toSchemaless } from './json/json-object.ts';
export { JsonMemory } from './json/json-shape.ts';
export { type Json, JsonFraction, JsonParser, JsonSyntaxError, parseJson } from './json/parse.ts';
export { writeString } from './json/text.ts';
export { type JsonWriterOptions, JsonWriters, type ValueWriter, writeSchemaless } from './json/writer.ts';
export {
  BigDecimal,
  bigintToBytes,
  bitsSchema,
  bytesToBigint,
  CONNECT_DATE,
  CONNECT_DECIMAL,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  decimalSchema,
  enumSchema,
  optionalArray,
  SEMANTIC_TYPES,
  type SemanticType,
  semantic,
  VARIABLE_SCALE_DECIMAL,
} from './logical-types.ts';
export {
  adjustNamePart,
  adjustSchemaName,
  type NameAdjustmentMode,
  sanitizeTopicName,
  type TableKeyField,
  type TopicMerging,
  type TopicNaming,
  type TopicNamingOptions,
  topicNaming,
} from './naming.ts';
export {
  arraySchema,
  BOOLEAN,
  BYTES,
  type Field,
  FLOAT32,
  FLOAT64,
  INT8,
  INT16,
  INT32,
  INT64,
  mapSchema,
  optional,
  primitive,
  Schema,
  type SchemaAndValue,
  type SchemaOptions,
  type SchemaType,
  STRING,
  structSchema,
} from './schema.ts';
export { Double, schemalessDouble } from './schemaless.ts';
export {
  ArrayStruct,
  RAW_NULL,
  RAW_UNAVAILABLE,
  type RawEncoding,
  type RawField,
  type RawPrinter,
  RawRow,
  type RowLayout,
  Struct,
  StructTemplate,
  sameValue,
  TemplateStruct,
  VARYING,
  VaryingText,
} from './struct.ts';
export { dateText, parseValueText } from './value-text.ts';
