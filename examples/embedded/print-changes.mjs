// Prints every change of the customers and orders of a shop, from the first row on. Stop it and start it again: it
// goes on where it was. DATABASE_URL names the database; OFFSETS the file that keeps the place.
import { fileOffsets, Millrace } from 'millrace';

const database = new URL(process.env.DATABASE_URL ?? 'postgres://postgres:postgres@127.0.0.1:5432/shop');

const changes = await Millrace.open({
  config: {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': database.hostname,
    'database.port': database.port || '5432',
    'database.user': decodeURIComponent(database.username),
    'database.password': decodeURIComponent(database.password),
    'database.dbname': database.pathname.slice(1),
    'topic.prefix': 'shop',
    'plugin.name': 'pgoutput',
    'slot.name': 'print_changes',
    'publication.name': 'print_changes',
    'publication.autocreate.mode': 'filtered',
    'table.include.list': 'public.customers,public.orders',
  },
  offsets: fileOffsets(process.env.OFFSETS ?? 'print-changes.offsets.json'),
});

// One Ctrl-C ends it in order: what was acknowledged is saved.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void changes.close());

for await (const change of changes) {
  if (change.kind === 'change') {
    console.log(change.op, change.source.table, change.after ?? change.before);
  }
  // Done with it: after this it does not come again.
  change.ack();
}
