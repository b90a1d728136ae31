import { SourceRecord } from '@millrace/connect-api';
import { expect, test } from 'vitest';
import { TimestampRouter } from './timestamp-router.ts';

test('every topic and timestamp of the format is filled in', () => {
  const router = new TimestampRouter();
  router.configure({
    'topic.format': '${topic}-${timestamp}-${topic}-${timestamp}',
    'timestamp.format': 'yyyy',
  });
  const record = new SourceRecord({ sourcePartition: {}, sourceOffset: {}, topic: 't$1', timestamp: 0 });
  expect(router.apply(record)?.topic).toBe('t$1-1970-t$1-1970');
});
