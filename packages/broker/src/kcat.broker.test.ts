// librdkafka, through its command line, against the broker.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { runProgram } from './testing/run-program.ts';
import { startTestBroker } from './testing/test-broker.ts';

const kcat = (args: readonly string[], input: string = ''): Promise<string> =>
  runProgram('kcat', args, 20_000, input);

const hasKcat = spawnSync('kcat', ['-V']).error === undefined;
// In CI kcat must be there; elsewhere its absence is a named skip.
const testKcat = hasKcat || process.env['CI'] === 'true' ? test : test.skip;
const lines = Array.from({ length: 500 }, (_, i) => `line ${i} ${'x'.repeat(i % 97)}`).join('\n');

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  testKcat(`kcat gets back byte for byte what it produced with ${codec}`, async () => {
    await using broker = await startTestBroker();
    const to = ['-b', broker.address, '-t', 'lines'];
    await kcat([...to, '-P', '-z', codec, '-X', 'enable.idempotence=true'], `${lines}\n`);
    expect(await kcat([...to, '-C', '-o', 'beginning', '-e', '-q'])).toBe(`${lines}\n`);
  });
}

testKcat('kcat reads as a group and goes on where the group stopped', async () => {
  await using broker = await startTestBroker();
  await kcat(['-b', broker.address, '-t', 'events', '-P'], 'a\nb\nc\n');
  const group = ['-b', broker.address, '-q', '-X', 'auto.offset.reset=earliest', '-G', 'readers', 'events'];
  expect(await kcat(['-c', '2', ...group])).toBe('a\nb\n');
  expect(await kcat(['-c', '1', ...group])).toBe('c\n');
});

testKcat('kcat lists the broker under the address it was reached by', async () => {
  await using broker = await startTestBroker();
  await kcat(['-b', broker.address, '-t', 'made', '-P'], 'x\n');
  const listing = await kcat(['-b', broker.address, '-L', '-J']);
  expect(JSON.parse(listing)).toMatchObject({
    brokers: [{ id: 1, name: broker.address }],
    topics: [{ topic: 'made', partitions: [{ partition: 0, leader: 1 }] }],
  });
});
