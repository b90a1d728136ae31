// A program that uses the library, to be killed: keeps each event as a line of a file, then acknowledges it. Arguments:
// the config as JSON, the file for offsets, the file for events.
import { appendFileSync } from 'node:fs';
import { fileOffsets, Millrace } from 'millrace';

const [config, offsets, events] = process.argv.slice(2);
// A line that the last kill has cut short ends here.
appendFileSync(events, '\n');
const millrace = await Millrace.open({
  config: JSON.parse(config),
  offsets: fileOffsets(offsets),
  shape: 'json',
});
process.stdout.write('open\n');
const late = [];
let count = 0;
for await (const event of millrace) {
  const { topic, key, value } = event;
  appendFileSync(events, `${JSON.stringify({ topic, key, value })}\n`);
  // Some are acknowledged long after those behind them; rows of a snapshot at once, or it is not over.
  const isRead = /"op":"r"/.test(value ?? '');
  if (++count % 7 === 0 && !isRead) late.push(event);
  else event.ack();
  if (late.length > 5) late.shift().ack();
}
