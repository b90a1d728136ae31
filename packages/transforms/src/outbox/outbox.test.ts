import { SourceRecord } from '@millrace/connect-api';
import {
  ArrayStruct,
  envelopeSchema,
  INT32,
  INT64,
  STRING,
  sourceSchema,
  structSchema,
} from '@millrace/data';
import { expect, test } from 'vitest';
import { EventRouter } from './event-router.ts';

const ROW = structSchema(
  [
    ['id', STRING],
    ['aggregatetype', STRING],
    ['aggregateid', STRING],
    ['payload', STRING],
    ['version', INT32],
    ['at', INT64.with({ name: 'io.debezium.time.MicroTimestamp', version: 1 })],
  ],
  { name: 's.public.outbox.Value' },
);
const ENVELOPE = envelopeSchema('s.public.outbox.Envelope', ROW, sourceSchema('source', []));

function record(aggregatetype: string): SourceRecord {
  const after = ArrayStruct.of(ROW, {
    id: '1',
    aggregatetype,
    aggregateid: 'k',
    payload: '{"a":1}',
    version: 2,
    at: 1_700_000_000_123_456,
  });
  return new SourceRecord({
    sourcePartition: {},
    sourceOffset: {},
    topic: 's.public.outbox',
    valueSchema: ENVELOPE,
    value: ArrayStruct.of(ENVELOPE, { after, op: 'c', ts_ms: 5 }),
  });
}

function router(config: Record<string, string>): EventRouter {
  const made = new EventRouter();
  made.configure(config);
  return made;
}

test('Envelopes of different routes keep their own schema names, and equal ones the same object', () => {
  const events = router({ 'table.fields.additional.placement': 'version:envelope' });
  const first = events.apply(record('Order'));
  expect(first?.valueSchema?.name).toBe('s.public.outbox.Order.Value');
  expect(events.apply(record('User'))?.valueSchema?.name).toBe('s.public.outbox.User.Value');
  expect(events.apply(record('Order'))?.valueSchema).toBe(first?.valueSchema);
});

test('Expanded payloads of one shape have one schema object', () => {
  const events = router({ 'table.expand.json.payload': 'true' });
  expect(events.apply(record('Order'))?.valueSchema).toBe(events.apply(record('User'))?.valueSchema);
});

test('A column that is not there is left out when missing columns are ignored', () => {
  const config = {
    'table.fields.additional.placement': 'nope:header',
    'table.field.additional.missing': 'ignore',
  };
  expect(
    router(config)
      .apply(record('Order'))
      ?.headers.map(({ key }) => key),
  ).toEqual(['id']);
});

test('A timestamp column in microseconds is the time of the record in milliseconds', () => {
  expect(router({ 'table.field.event.timestamp': 'at' }).apply(record('Order'))?.timestamp).toBe(
    1_700_000_000_123,
  );
});
