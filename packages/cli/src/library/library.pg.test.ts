import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type TestDatabase, testDatabase } from '@millrace/testkit';
import {
  type ChangeEvent,
  type ConnectorConfig,
  fileOffsets,
  Millrace,
  type RowChange,
  type SourceOffsets,
} from 'millrace';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

interface Item {
  readonly id: number | bigint;
  readonly name: string | null;
  readonly price: string | null;
}

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-library-'));
let database: TestDatabase;
let file = '';
let used = 0;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  file = path.join(folder, `offsets-${++used}.json`);
  await database.query(`
    drop table if exists item;
    create table item (id bigint primary key, name text, price numeric(30, 2));
    insert into item values (1, 'one', 1.50), (9007199254740993, 'large', null);
  `);
});

const slot = (): string => `${database.name}_${used}`;

function config(more: ConnectorConfig = {}): ConnectorConfig {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': database.host,
    'database.port': database.port,
    'database.user': database.user,
    'database.password': database.password,
    'database.dbname': database.name,
    'topic.prefix': 'shop',
    'plugin.name': 'pgoutput',
    'slot.name': slot(),
    'publication.name': slot(),
    'publication.autocreate.mode': 'filtered',
    'table.include.list': 'public.item',
    'offset.flush.interval.ms': 50,
    ...more,
  };
}

const open = (more: ConnectorConfig = {}): Promise<Millrace<ChangeEvent<Item>>> =>
  Millrace.open<Item>({ config: config(more), offsets: fileOffsets(file) });

async function take<E extends { ack(): void }>(
  millrace: Millrace<E & ChangeEvent<Item>> | AsyncIterable<E>,
  count: number,
  options: { ack?: boolean } = {},
): Promise<E[]> {
  const events: E[] = [];
  for await (const event of millrace as AsyncIterable<E>) {
    events.push(event);
    if (options.ack !== false) event.ack();
    if (events.length === count) break;
  }
  return events;
}

const shown = (event: ChangeEvent<Item>): string =>
  event.kind === 'change'
    ? `${event.op} ${String((event.after ?? event.before)?.id)} ${event.after?.name ?? '-'}`
    : event.kind;

async function confirmed(): Promise<bigint> {
  const [row] = await database.query(
    "select (confirmed_flush_lsn - '0/0')::text as lsn from pg_replication_slots where slot_name = $1",
    [slot()],
  );
  return BigInt(String(row?.['lsn'] ?? 0));
}

describe('Millrace as a library', () => {
  it('gives the rows there are, then each change, as typed objects', async () => {
    await using millrace = await open();
    const snapshot = await take(millrace, 2);
    expect(snapshot.map(shown)).toEqual(['r 1 one', 'r 9007199254740993 large']);
    await database.query(`
      update item set name = 'uno' where id = 1;
      delete from item where id = 9007199254740993;
      truncate item;
    `);
    const [update, deletion] = (await take(millrace, 2)) as RowChange<Item>[];
    expect(update?.toObject()).toMatchObject({
      kind: 'change',
      op: 'u',
      topic: 'shop.public.item',
      key: { id: 1 },
      after: { id: 1, name: 'uno', price: '1.50' },
      source: {
        connector: 'postgresql',
        schema: 'public',
        table: 'item',
        db: database.name,
        snapshot: 'false',
      },
    });
    expect(deletion?.toObject()).toMatchObject({ op: 'd', before: { id: 9007199254740993n }, after: null });
    // For the log of a program, whole.
    expect(JSON.parse(JSON.stringify(update))).toMatchObject({ op: 'u', after: { name: 'uno' } });
  });

  it('INV-3: goes on behind the acknowledged events, and repeats those that were not, in order', async () => {
    {
      await using millrace = await open();
      await take(millrace, 2);
      await database.query("insert into item select n, 'n' || n from generate_series(10, 19) n");
      await take(millrace, 4);
      const [, second] = await take(millrace, 2, { ack: false });
      // Acknowledged out of order: the one before it still holds the place.
      second?.ack();
    }
    await using millrace = await open();
    expect((await take(millrace, 6)).map(shown)).toEqual([14, 15, 16, 17, 18, 19].map((n) => `c ${n} n${n}`));
  });

  it('INV-1: the slot moves only when acknowledgements are saved', async () => {
    await using millrace = await open();
    await take(millrace, 2);
    await millrace.flush();
    await eventually('the snapshot is confirmed', async () => (await confirmed()) > 0n);
    await database.query("insert into item values (2, 'two'), (3, 'three')");
    const events = await take(millrace, 2, { ack: false });
    const before = await confirmed();
    const saved = readFileSync(file, 'utf8');
    await millrace.flush();
    expect(await confirmed()).toBe(before);
    expect(readFileSync(file, 'utf8')).toBe(saved);
    for (const event of events) event.ack();
    await millrace.flush();
    expect(readFileSync(file, 'utf8')).not.toBe(saved);
    await eventually('the slot moves', async () => (await confirmed()) > before);
  });

  it('reads no more than may be unacknowledged (INV-5)', async () => {
    await database.query("insert into item select n, 'n' || n from generate_series(10, 99) n");
    await using millrace = await Millrace.open<Item>({
      config: config(),
      offsets: fileOffsets(file),
      maxUnacknowledged: 5,
    });
    const events = await take(millrace, 5, { ack: false });
    let sixth: ChangeEvent<Item> | undefined;
    const reading = take(millrace, 1).then(([event]) => {
      sixth = event;
    });
    await database.query('select pg_sleep(0.3)');
    expect(sixth).toBeUndefined();
    events[0]?.ack();
    await reading;
    expect(sixth).toBeDefined();
  });

  it('applies transforms, and gives tombstones when they are asked for', async () => {
    await using millrace = await open({
      'tombstones.on.delete': true,
      transforms: 'row,route',
      'transforms.row.type': 'io.debezium.transforms.ExtractNewRecordState',
      'transforms.row.delete.tombstone.handling.mode': 'tombstone',
      'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter',
      'transforms.route.regex': '.*[.](.*)',
      'transforms.route.replacement': '$1',
    });
    const [first] = await take(millrace, 2);
    expect(first).toMatchObject({
      kind: 'other',
      topic: 'item',
      key: { id: 1 },
      value: { id: 1, name: 'one' },
    });
    await database.query('delete from item where id = 1');
    expect(await take(millrace, 1)).toMatchObject([{ kind: 'tombstone', key: { id: 1 } }]);
  });

  it('gives the JSON of Kafka Connect when that is asked for', async () => {
    await using millrace = await Millrace.open({
      config: config({ 'key.converter.schemas.enable': false, 'value.converter.schemas.enable': false }),
      offsets: fileOffsets(file),
      shape: 'json',
    });
    const [, large] = await take(millrace, 2);
    expect(large?.key).toBe('{"id":9007199254740993}');
    expect(large?.value).toMatch(
      /^\{"before":null,"after":\{"id":9007199254740993,"name":"large","price":null\},/,
    );
  });

  it('says every problem of a config, with the keys, before anything is opened', async () => {
    const bad = open({ 'snapshot.mode': 'sometimes', 'max.batch.size': 'many' });
    await expect(bad).rejects.toMatchObject({
      code: 'library.invalid_config',
      message: expect.stringMatching(
        /snapshot\.mode[\s\S]*max\.batch\.size|max\.batch\.size[\s\S]*snapshot\.mode/,
      ) as string,
    });
    await expect(open({ 'connector.class': 'Nope' })).rejects.toMatchObject({
      code: 'library.no_source',
      hint: expect.stringContaining('io.debezium.connector.postgresql.PostgresConnector') as string,
    });
    await expect(open({ 'database.password': 'wrong', 'database.port': 1 })).rejects.toMatchObject({
      code: 'library.invalid_config',
      configKey: 'database.hostname',
    });
  });

  it('throws from the loop what the source fails with, with code and remedy, and can be opened again', async () => {
    const millrace = await open();
    await take(millrace, 2);
    const reading = take(millrace, 1);
    await eventually('the walsender is ended', async () => {
      const [ended] = await database.query(
        'select pg_terminate_backend(active_pid) as ok from pg_replication_slots where slot_name = $1 and active',
        [slot()],
      );
      return ended?.['ok'] === true;
    });
    await expect(reading).rejects.toMatchObject({ code: expect.stringMatching(/^postgres\./) as string });
    await database.query("insert into item values (5, 'five')");
    await using again = await open();
    expect((await take(again, 1)).map(shown)).toEqual(['c 5 five']);
  });

  it('throws from the loop when offsets cannot be saved, and the slot has not moved (INV-1)', async () => {
    let works = true;
    const kept = fileOffsets(file);
    const offsets: SourceOffsets = {
      load: () => kept.load(),
      save: (changes) => (works ? kept.save(changes) : Promise.reject(new Error('the disk is full'))),
    };
    const millrace = await Millrace.open<Item>({ config: config(), offsets });
    await take(millrace, 2);
    await millrace.flush();
    await database.query("insert into item values (6, 'six')");
    const before = await confirmed();
    works = false;
    await expect(take(millrace, 2)).rejects.toThrow('the disk is full');
    expect(await confirmed()).toBe(before);
    await millrace.close();
    await using again = await open();
    expect((await take(again, 1)).map(shown)).toEqual(['c 6 six']);
  });

  it('ends the loop when it is closed, saves what was acknowledged, and lets one loop read at a time', async () => {
    const millrace = await open({ 'offset.flush.interval.ms': 60_000 });
    await take(millrace, 2);
    await database.query("insert into item values (7, 'seven')");
    await take(millrace, 1);
    const rest = take(millrace, 1);
    expect(() => millrace[Symbol.asyncIterator]()).toThrow(/another loop/);
    await millrace.close();
    await millrace.close();
    expect(await rest).toEqual([]);
    await database.query("insert into item values (8, 'eight')");
    await using again = await open();
    expect((await take(again, 1)).map(shown)).toEqual(['c 8 eight']);
  });
});
