// The commands that stand for kafka-topics, kafka-consumer-groups and the console clients, against `millrace broker`.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, runMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';

let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBrokerProcess();
});
afterAll(() => broker[Symbol.asyncDispose]());

async function run(
  args: readonly string[],
  input: string | Buffer = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return runMillrace([...args, '--bootstrap-server', broker.kafka], { input });
}
async function done(args: readonly string[], input: string | Buffer = ''): Promise<string> {
  const result = await run(args, input);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
}
const json = async (args: readonly string[]): Promise<unknown> =>
  JSON.parse(await done([...args, '-o', 'json']));

describe('topics', () => {
  test('One is created, described, altered, grown, trimmed and deleted', async () => {
    expect(await done(['topics', 'create', 'orders', '-p', '2', '-c', 'retention.ms=86400000'])).toBe(
      'orders created\n',
    );
    await done(['produce', 'orders', '-p', '1'], 'a\nb\nc\n');
    await done([
      'topics',
      'alter',
      'orders',
      '-c',
      'segment.bytes=1048576',
      '--delete-config',
      'retention.ms',
    ]);
    await done(['topics', 'add-partitions', 'orders', '-p', '3']);
    expect(await done(['topics', 'trim', 'orders', '--before-offset', '2', '-p', '1'])).toMatch(
      /^orders +1 +2$/m,
    );
    expect(await json(['topics', 'describe', 'orders'])).toMatchObject([
      {
        topic: 'orders',
        replicationFactor: 1,
        configs: { 'segment.bytes': '1048576' },
        partitions: [
          { partition: 0, leader: 1, replicas: [1], isr: [1], startOffset: 0, endOffset: 0 },
          { partition: 1, startOffset: 2, endOffset: 3 },
          { partition: 2, startOffset: 0, endOffset: 0 },
        ],
      },
    ]);
    expect(await json(['topics'])).toMatchObject([{ topic: 'orders', partitions: 3, records: 1 }]);
    await done(['topics', 'trim', 'orders', '--all']);
    expect(await json(['topics', 'list'])).toMatchObject([{ topic: 'orders', records: 0 }]);
    expect(await done(['topics', 'delete', 'orders'])).toBe('orders deleted\n');
    expect(await done(['topics'])).toBe('No topics.\n');
  });

  test('What cannot be done says why, with exit code 1 for the cluster and 2 for the command', async () => {
    await done(['topics', 'create', 'there']);
    for (const [args, code, text] of [
      [['topics', 'create', 'there'], 1, 'exists already'],
      [['topics', 'create', 'bad name'], 1, 'Topic name is invalid'],
      [['topics', 'create', 'x', '-c', 'retention.ms=abc'], 1, 'Not a number of type LONG'],
      [['topics', 'describe', 'nope'], 1, 'There is no topic nope'],
      [['topics', 'delete', 'there', 'nope'], 1, 'There is no topic nope'],
      [['topics', 'add-partitions', 'there', '-p', '1'], 1, 'already has 1 partition'],
      [['topics', 'trim', 'there', '--before-offset', '9'], 1, 'OFFSET_OUT_OF_RANGE'],
      [['topics', 'trim', 'there'], 2, 'exactly one of'],
      [['topics', 'alter', 'there'], 2, 'Nothing to change'],
      [['topics', 'create', 'x', '-p', '0'], 2, 'at least 1'],
      [['topics', 'nonsense'], 2, 'nonsense'],
    ] as const) {
      const result = await run(args);
      expect(result, args.join(' ')).toMatchObject({ code, stdout: '' });
      expect(result.stderr).toContain(text);
    }
    // The last name was wrong, so nothing was deleted.
    expect(await done(['topics', 'create', 'there', '--if-not-exists'])).toBe('there is there already\n');
  });

  test('Client properties are taken from a file, flags before them', async () => {
    const file = path.join(broker.folder, 'client.properties');
    writeFileSync(file, `bootstrap.servers=${broker.kafka}\nclient.id=me\n`);
    expect(await runMillrace(['topics', '--command-config', file])).toMatchObject({ code: 0 });
    writeFileSync(file, 'bootstrap.servers=127.0.0.1:1\n');
    expect(await run(['topics', '--command-config', file])).toMatchObject({ code: 0 });
    expect(await runMillrace(['topics', '--command-config', `${file}.none`])).toMatchObject({ code: 2 });
  });
});

describe('produce and consume', () => {
  test('A record that is refused is told with what is wrong with it', async () => {
    await done(['topics', 'create', 'compacted', '-c', 'cleanup.policy=compact']);
    const refused = await run(['produce', 'compacted'], 'no key\n');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(
      'Compacted topic cannot accept message without key in topic partition compacted-0',
    );
    expect(await done(['produce', 'compacted', '-k', 'k'], 'v\n')).toBe('1 record written to compacted\n');
  });

  const bytes = Buffer.from('key\tplain\nk\xff\tv\xfe\xff\nnull\tNULL\n', 'latin1');

  test('Keys, headers, nulls and bytes that are no text arrive as they were sent', async () => {
    await done(['topics', 'create', 'bytes', '-p', '1']);
    await done(['produce', 'bytes', '-K', '\t', '-Z', 'NULL', '-H', 'h=1', '-z', 'gzip'], bytes);
    const lines = (await done(['consume', 'bytes', '-b', '-e', '-f', 'json'])).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { offset: 0, key: 'key', value: 'plain', headers: [{ key: 'h', value: '1' }] },
      { offset: 1, keyBase64: 'a/8=', valueBase64: 'dv7/' },
      { offset: 2, key: 'null', value: null },
    ]);
    await done(['topics', 'create', 'copy', '-p', '1']);
    await done(['produce', 'copy', '-f', 'json'], `${lines.join('\n')}\n`);
    expect(await done(['consume', 'copy', '-b', '-e', '-o', 'json'])).toBe(
      `${lines.join('\n')}\n`.replaceAll('"topic":"bytes"', '"topic":"copy"'),
    );
    expect(await done(['consume', 'copy', '-b', '-e', '-f', '%p/%o %k=%v %h\\n', '-n', '1'])).toBe(
      '0/0 key=plain h=1\n',
    );
  });

  test('Reading starts at an offset, before the end or at a time, in the partitions asked for', async () => {
    await done(['topics', 'create', 'places', '-p', '2']);
    await done(['produce', 'places', '-p', '0'], 'a\nb\nc\n');
    await done(['produce', 'places', '-f', 'json'], '{"value":"old","partition":1,"timestamp":1000}\n');
    expect(await done(['consume', 'places', '-p', '0', '--offset', '1', '-e'])).toBe('b\nc\n');
    expect(await done(['consume', 'places', '--offset', '-1', '-e'])).toBe('c\nold\n');
    expect(await done(['consume', 'places', '--from-time', '1h', '-e'])).toBe('a\nb\nc\n');
    expect(await done(['consume', 'places', '-e'])).toBe('');
    expect(await run(['consume', 'places', '-p', '7'])).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['consume', 'places', '--offset', '9', '-e'])).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['consume', 'places', '-b', '--offset', '1'])).toMatchObject({ code: 2 });
    expect(await run(['consume', 'places', '-g', 'x', '-p', '1'])).toMatchObject({ code: 2 });
  });

  test('All of the input can be one record, and what is no record names its line', async () => {
    await done(['produce', 'whole', '-f', 'raw', '-k', 'k'], 'two\nlines\n');
    expect(await done(['consume', 'whole', '-b', '-e', '-f', 'raw'])).toBe('two\nlines\n');
    const result = await run(['produce', 'whole', '-f', 'json'], '{"value":"ok"}\n{\n');
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('Line 2 is no record');
  });

  test('A reader that has enough ends it without an error, and so does Ctrl-C', async () => {
    await done(['produce', 'long'], `${Array.from({ length: 50_000 }, (_, i) => `line ${i}`).join('\n')}\n`);
    const closed = await runMillrace(['consume', 'long', '-b', '--bootstrap-server', broker.kafka], {
      onStart: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
    });
    expect(closed).toMatchObject({ code: 0, stderr: '' });
    const interrupted = await runMillrace(['consume', 'long', '-b', '--bootstrap-server', broker.kafka], {
      onStart: (child) => child.stdout?.once('data', () => child.kill('SIGINT')),
    });
    expect(interrupted).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('groups', () => {
  test('A group goes on where it stopped; it is described, moved and deleted', async () => {
    await done(['topics', 'create', 'events', '-p', '1']);
    await done(['produce', 'events'], 'a\nb\nc\nd\n');
    expect(await done(['consume', 'events', '-g', 'shop', '-b', '-n', '1'])).toBe('a\n');
    expect(await done(['consume', 'events', '-g', 'shop', '-n', '2'])).toBe('b\nc\n');
    expect(await json(['groups'])).toEqual([
      { groupId: 'shop', protocolType: 'consumer', state: 'Empty', type: 'classic' },
    ]);
    expect(await json(['groups', 'describe', 'shop'])).toMatchObject([
      {
        group: 'shop',
        state: 'Empty',
        members: [],
        offsets: [{ topic: 'events', partition: 0, currentOffset: 3, endOffset: 4, lag: 1, memberId: null }],
      },
    ]);
    const dry = await run(['groups', 'reset', 'shop', '--topic', 'events:0', '--to-offset', '1']);
    expect(dry).toMatchObject({ code: 0, stderr: 'Nothing was changed: give --execute to do it.\n' });
    expect(dry.stdout).toMatch(/^shop +events +0 +3 +1$/m);
    const moved = await run(['groups', 'reset', 'shop', '--all-topics', '--shift-by', '-100', '--execute']);
    expect(moved.stderr).toBe('events-0 has offsets from 0 to 4: -97 becomes 0.\n');
    expect(await done(['consume', 'events', '-g', 'shop', '-e'])).toBe('a\nb\nc\nd\n');
    await done(['groups', 'delete-offsets', 'shop', '--topic', 'events']);
    expect(await run(['groups', 'describe', 'shop'])).toMatchObject({ code: 0 });
    await done(['groups', 'delete', 'shop']);
    expect(await run(['groups', 'delete', 'shop'])).toMatchObject({ code: 1 });
  });

  test('A group with members shows who reads, and is not moved or deleted', async () => {
    await done(['topics', 'create', 'live', '-p', '2']);
    let stop: () => void = () => undefined;
    const reading = runMillrace(['consume', 'live', '-g', 'readers', '--bootstrap-server', broker.kafka], {
      onStart: (child) => {
        stop = () => child.kill('SIGINT');
      },
    });
    try {
      await eventually('the group is stable', async () => {
        const groups = (await json(['groups', 'list', '--state', 'stable'])) as unknown[];
        return groups.length === 1;
      });
      expect(await json(['groups', 'describe', 'readers'])).toMatchObject([
        {
          state: 'Stable',
          protocol: 'range',
          members: [
            {
              clientId: 'millrace-cli',
              host: '/127.0.0.1',
              assignment: [{ partition: 0 }, { partition: 1 }],
            },
          ],
        },
      ]);
      expect(await done(['groups', 'describe', 'readers', '--members'])).toContain('live:0,1');
      const reset = await run(['groups', 'reset', 'readers', '--topic', 'live', '--to-latest', '--execute']);
      expect(reset).toMatchObject({ code: 1, stdout: '' });
      expect(reset.stderr).toContain('its state is Stable');
      expect(await run(['groups', 'delete', 'readers'])).toMatchObject({ code: 1 });
    } finally {
      stop();
    }
    expect(await reading).toMatchObject({ code: 0, stderr: '' });
    // It left, rather than being waited for.
    expect(await json(['groups', 'list', '--state', 'stable'])).toEqual([]);
  });
});

test('Metrics are served where the broker is told to, and nowhere else', async () => {
  await using alone = await startBrokerProcess({}, ['--metrics', '127.0.0.1:0']);
  const address = alone.ready['metrics'] ?? '';
  await runMillrace(['produce', 'counted', '--bootstrap-server', alone.kafka], { input: 'a\nb\n' });
  const page = await fetch(`${address}/metrics`);
  expect(page.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(await page.text()).toMatch(
    /^kafka_server_brokertopicmetrics_messagesin_total\{topic="counted"\} 2$/m,
  );
  expect((await fetch(`${address}/`)).status).toBe(404);
  expect((await fetch(`${address}/metrics`, { method: 'POST' })).status).toBe(405);
});
