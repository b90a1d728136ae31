// What schemas in every record and a chain of transforms cost: one transaction from its slot until durable in the bundled
// broker, in the plain form and in the others, in turn. `--rows`, `--rounds`.
import type { RawConfig } from '@millrace/foundation';
import { count, measured, median, option, say, warmMemory } from './measure.ts';
import { Pipeline } from './pipeline.ts';

const rows = option('rows', 300_000);
const rounds = option('rounds', 3);

const FORMS: Readonly<Record<string, RawConfig>> = {
  'without schemas': {},
  'the same again': {},
  'with schemas': { 'key.converter.schemas.enable': 'true', 'value.converter.schemas.enable': 'true' },
  'unwrapped and routed': {
    transforms: 'unwrap,route',
    'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
    'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter',
    // To the topic that the bench asks for.
    'transforms.route.regex': '([^.]+)\\.([^.]+)\\.([^.]+)',
    'transforms.route.replacement': '$1.$2.$3',
  },
};

await using pipeline = await Pipeline.start();
await pipeline.createSlot('origin');
await pipeline.insertMany(1, rows);
const seen = new Map(
  Object.keys(FORMS).map((form) => [form, { times: [] as number[], cpu: [] as number[] }]),
);
// The first round warms the compiler up.
for (let round = -1; round < rounds; round++) {
  for (const [form, more] of Object.entries(FORMS)) {
    await warmMemory();
    const before = await pipeline.end();
    await pipeline.copySlot('origin', 'copy');
    const { time, cpu } = await measured(pipeline, async () => {
      await pipeline.startConnector('bench', 'copy', 'no_data', more);
      await pipeline.waitForEnd(before + rows);
    });
    await pipeline.deleteConnector('bench');
    await pipeline.dropSlot('copy');
    if (round < 0) continue;
    seen.get(form)?.times.push(time);
    seen.get(form)?.cpu.push(cpu);
  }
}

say(`\nOne transaction of ${count(rows)} rows, median of ${rounds}`);
const plain = seen.get('without schemas')?.times ?? [];
for (const [form, { times, cpu }] of seen) {
  const ratio = median(times.map((time, i) => (plain[i] ?? 0) / time));
  say(
    `  ${form.padEnd(24)}${count(rows / median(times)).padStart(8)} events/s, ${((median(cpu) / rows) * 1e6).toFixed(1)} us CPU an event, ${ratio.toFixed(2)} x the first`,
  );
}
