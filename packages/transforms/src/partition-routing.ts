// io.debezium.transforms.partitions.PartitionRouting: computes the partition from fields of the event.
import { type ConnectRecord, SinkRecord, type Transformation } from '@millrace/connect-api';
import { isEnvelope, type Schema, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION, debeziumKey, requiredValue } from './debezium-keys.ts';
import { recordError } from './errors.ts';
import { javaHash, murmurHash } from './java-hash.ts';
import { validatedByKey } from './validated-config.ts';

const MAX_INT = 0x7fffffff;

export const partitionRoutingConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'partition.payload.fields',
    'List of payload fields to use for compute partition.',
    'Fields of the event to compute the partition from, as paths with dots; change stands for before in deletes and for after else. Fields that an event does not have are not used.',
    { type: 'LIST', group: 'partitions', orderInGroup: 1, validator: requiredValue },
  ),
  debeziumKey(
    'partition.topic.num',
    'Number of partition configured for topic',
    'The number of partitions of the topic.',
    {
      type: 'INT',
      group: 'partitions',
      orderInGroup: 2,
      validator: (value) =>
        value === null
          ? 'A value is required'
          : Number(value) > 0
            ? undefined
            : 'A positive, non-zero integer value is expected',
    },
  ),
  debeziumKey(
    'partition.hash.function',
    'Hash function',
    'The hash function: murmur, or java for all else.',
    {
      default: 'java',
      importance: 'LOW',
      group: 'partitions',
      orderInGroup: 3,
    },
  ),
]);

export class PartitionRouting implements Transformation {
  #paths: readonly (readonly string[])[] = [];
  #partitions = 1;
  #hash: (value: unknown, schema: Schema) => number = javaHash;

  configure(settings: RawConfig): void {
    const config = validatedByKey(partitionRoutingConfig, settings);
    this.#paths = config
      .list('partition.payload.fields')
      .map((path) => path.split('.').map((step) => step.trim()));
    this.#partitions = config.int('partition.topic.num');
    this.#hash =
      config.string('partition.hash.function').trim().toLowerCase() === 'murmur' ? murmurHash : javaHash;
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const event = record.value;
    if (!(event instanceof Struct) || !isEnvelope(record.valueSchema)) return record;
    if (record instanceof SinkRecord) {
      throw recordError('PartitionRouting works on records of source connectors', DEBEZIUM_EXCEPTION);
    }
    const op = event.schema.field('op') ? event.getRaw('op') : null;
    if (op === 't' || op === 'm') return record;
    let sum = 0;
    let found = false;
    for (const path of this.#paths) {
      const [value, schema] = lookUp(event, path, op === 'd');
      if (schema === undefined || value === null) continue;
      found = true;
      sum = (sum + this.#hash(value, schema)) | 0;
    }
    if (!found) return record;
    const hash = sum & MAX_INT;
    return record.with({ kafkaPartition: (hash === MAX_INT ? 0 : hash) % this.#partitions });
  }
}

/** The value at a path and its schema; no schema when the event has no such field. */
function lookUp(
  event: Struct,
  path: readonly string[],
  isDelete: boolean,
): readonly [unknown, Schema | undefined] {
  let current: unknown = event;
  let schema: Schema | undefined;
  for (const step of path) {
    if (!(current instanceof Struct)) return [null, undefined];
    const field = current.schema.field(
      path.length > 1 && step === 'change' ? (isDelete ? 'before' : 'after') : step,
    );
    if (!field) return [null, undefined];
    schema = field.schema;
    current = current.at(field.index) ?? field.schema.defaultValue ?? null;
  }
  return [current, schema];
}
