// The converters as plug-ins.
import type { Converter, ConverterPlugin, HeaderConverterPlugin, PluginEntry } from '@millrace/connect-api';
import { CONTRACT_VERSION } from '@millrace/data';
import { ByteArrayConverter, byteArrayConverterConfig } from './byte-array-converter.ts';
import { CloudEventsConverter, cloudEventsConverterConfig } from './cloud-events-converter.ts';
import { DebeziumByteConverter, debeziumByteConverterConfig } from './debezium-byte-converters.ts';
import { JsonConverter, jsonConverterConfig } from './json/json-converter.ts';
import { FixedConverter, numberConverterConfig } from './number-converters.ts';
import { SimpleHeaderConverter, simpleHeaderConverterConfig } from './simple-header-converter.ts';
import { StringConverter, stringConverterConfig } from './string-converter.ts';

/** The version of Kafka Connect whose converters these are. */
const VERSION = '4.3.1';

const FIXED = {
  Boolean: 'boolean',
  Double: 'float64',
  Float: 'float32',
  Integer: 'int32',
  Long: 'int64',
  Short: 'int16',
} as const;

/** Each of these serves as a converter and as a header converter. */
const both: readonly (Pick<ConverterPlugin, 'className' | 'configDef'> & {
  create(): ReturnType<ConverterPlugin['create']> & ReturnType<HeaderConverterPlugin['create']>;
})[] = [
  {
    className: 'org.apache.kafka.connect.converters.ByteArrayConverter',
    configDef: byteArrayConverterConfig,
    create: () => new ByteArrayConverter(),
  },
  ...Object.entries(FIXED).map(([name, type]) => ({
    className: `org.apache.kafka.connect.converters.${name}Converter`,
    configDef: numberConverterConfig,
    create: () => new FixedConverter(type),
  })),
  {
    className: 'org.apache.kafka.connect.json.JsonConverter',
    configDef: jsonConverterConfig,
    create: () => new JsonConverter(),
  },
  {
    className: 'org.apache.kafka.connect.storage.StringConverter',
    configDef: stringConverterConfig,
    create: () => new StringConverter(),
  },
];

const debezium = ['ByteArrayConverter', 'BinaryDataConverter'].map((name) => ({
  className: `io.debezium.converters.${name}`,
  version: CONTRACT_VERSION,
  configDef: debeziumByteConverterConfig,
  create: () => new DebeziumByteConverter((wanted) => converterOf(wanted)),
}));

/** A converter of this package. */
function converterOf(className: string): Converter | undefined {
  return [...both, ...debezium].find((plugin) => plugin.className === className)?.create();
}

const plugins: readonly (ConverterPlugin | HeaderConverterPlugin)[] = [
  ...both.map((plugin): ConverterPlugin => ({ kind: 'converter', version: VERSION, ...plugin })),
  ...both.map((plugin): HeaderConverterPlugin => ({ kind: 'header_converter', version: VERSION, ...plugin })),
  ...debezium.map((plugin): ConverterPlugin => ({ kind: 'converter', ...plugin })),
  {
    kind: 'converter',
    className: 'io.debezium.converters.CloudEventsConverter',
    version: CONTRACT_VERSION,
    configDef: cloudEventsConverterConfig,
    create: () => new CloudEventsConverter(),
  },
  ...debezium.map((plugin): HeaderConverterPlugin => ({ kind: 'header_converter', ...plugin })),
  {
    kind: 'header_converter',
    className: 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
    version: VERSION,
    configDef: simpleHeaderConverterConfig,
    create: () => new SimpleHeaderConverter(),
  },
];

/** Every converter and header converter of this package. */
export const converterPlugins: readonly PluginEntry[] = plugins.map((plugin) => ({
  kind: plugin.kind,
  className: plugin.className,
  version: plugin.version,
  load: () => Promise.resolve(plugin),
}));
