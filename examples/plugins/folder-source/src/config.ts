// The keys of a config. They give validation, defaults and the answer of GET /connector-plugins/.../config.
import { ConfigDef, validators } from '@millrace/foundation';

export const configDef: ConfigDef = new ConfigDef([
  {
    name: 'folder',
    type: 'STRING',
    importance: 'HIGH',
    doc: 'Folder that is watched; each file in it becomes a record, in order of their names.',
  },
  { name: 'topic', type: 'STRING', importance: 'HIGH', doc: 'Topic of the records.' },
  {
    name: 'batch.size',
    type: 'INT',
    default: 100,
    importance: 'LOW',
    doc: 'Most files that are read at a time.',
    validator: validators.between(1, 10_000),
  },
]);
