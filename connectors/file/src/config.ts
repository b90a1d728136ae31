// Keys of the two connectors, as Connect 4.3.1 defines them.
import { ConfigDef, validators } from '@millrace/foundation';

export const FILE = 'file';
export const TOPIC = 'topic';
export const BATCH_SIZE = 'batch.size';

export const sourceConfig: ConfigDef = new ConfigDef([
  {
    name: FILE,
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    doc: 'Source filename. If not specified, the standard input will be used',
  },
  {
    name: TOPIC,
    type: 'STRING',
    importance: 'HIGH',
    doc: 'The topic to publish data to',
    validator: validators.nonEmpty(),
  },
  {
    name: BATCH_SIZE,
    type: 'INT',
    default: 2000,
    importance: 'LOW',
    doc: 'The maximum number of records the source task can read from the file each time it is polled',
  },
]);

export const sinkConfig: ConfigDef = new ConfigDef([
  {
    name: FILE,
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    doc: 'Destination filename. If not specified, the standard output will be used',
  },
]);
