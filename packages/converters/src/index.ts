/** Converters between Connect data and bytes. */
export { ByteArrayConverter } from './byte-array-converter.ts';
export { converterErrors } from './errors.ts';
export { JsonConverter } from './json/json-converter.ts';
export { FixedConverter } from './number-converters.ts';
export { converterPlugins } from './plugins.ts';
export { SimpleHeaderConverter } from './simple-header-converter.ts';
export { StringConverter } from './string-converter.ts';
