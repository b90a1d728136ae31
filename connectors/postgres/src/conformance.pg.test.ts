// The Postgres source under the suite that every source connector passes.
import type { Struct } from '@millrace/data';
import { describeSourceConnector, testDatabase } from '@millrace/testkit';
import { testConfig } from './fixtures/test-config.ts';
import { plugin } from './index.ts';

describeSourceConnector('Postgres', {
  plugin,
  unusableConfig: {
    'topic.prefix': 'p',
    'database.hostname': '127.0.0.1',
    'database.port': '1',
    'database.user': 'nobody',
    'database.dbname': 'none',
  },
  textOf: ({ value }) => String(((value as Struct).get('after') as Struct).get('name')),
  open: async () => {
    const db = await testDatabase();
    await db.query('create table item (id int generated always as identity primary key, name text)');
    await db.query('create publication suite for table item');
    await db.query('select pg_create_logical_replication_slot($1, $2)', [db.name, 'pgoutput']);
    let changes = 0;
    return {
      config: testConfig(db, db.name, {
        'publication.name': 'suite',
        'publication.autocreate.mode': 'disabled',
        'table.include.list': 'public.item',
        'snapshot.mode': 'no_data',
      }),
      change: async (count) => {
        const names = Array.from({ length: count }, () => `item ${++changes} ${'ü'.repeat(changes)}`);
        for (const name of names) await db.query('insert into item (name) values ($1)', [name]);
        return names;
      },
      [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
    };
  },
});
