// The headers that Debezium's transforms add. A delete and the tombstone behind it leave Debezium's connectors with one
// list of headers between them, to which its transforms append in place: what the delete was given, its tombstone has too.
import { type ConnectRecord, type Header, type Headers, SourceRecord } from '@millrace/connect-api';

/** Of one transform; records have to come in their order. */
export class DeleteHeaders {
  #last: { readonly own: Headers; readonly now: Headers } | undefined;

  /** The record's headers as they are before the transform adds its own. */
  before(record: ConnectRecord): Headers {
    const last = this.#last;
    const follows = record.value === null && last !== undefined && record.headers === last.own;
    return follows ? last.now : record.headers;
  }

  /** The same with more of them, which a tombstone that follows shares. */
  add(record: ConnectRecord, more: readonly Header[]): Headers {
    const now = [...this.before(record), ...more];
    // Only records of a source come from the list's owner.
    this.#last = record instanceof SourceRecord ? { own: record.headers, now } : undefined;
    return now;
  }
}

export function withHeaders<R extends ConnectRecord>(record: R, headers: Headers): R {
  return headers === record.headers ? record : record.with({ headers });
}
