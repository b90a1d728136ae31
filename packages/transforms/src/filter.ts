// org.apache.kafka.connect.transforms.Filter: drops every record it sees; a predicate decides which those are.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';

export const filterConfig: ConfigDef = new ConfigDef([]);

export class Filter implements Transformation {
  configure(): void {
    // It has no settings.
  }
  apply<R extends ConnectRecord>(): R | null {
    return null;
  }
}
