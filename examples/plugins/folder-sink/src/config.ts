// The keys of a config. They give validation, defaults and the answer of GET /connector-plugins/.../config.
import { ConfigDef } from '@millrace/foundation';

export const configDef: ConfigDef = new ConfigDef([
  { name: 'folder', type: 'STRING', importance: 'HIGH', doc: 'Folder that gets a file for each record.' },
]);
