// Standalone workers of Connect and of Millrace in turn on one offset file and the connector files of one source.
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, RealConnect, startMillrace } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { fileSource, Lines, replays, TEXT, untilLine } from './testing/numbered-lines.ts';
import { realKafka } from './testing/real-kafka.ts';

const { folder, kafkaOf } = realKafka('standalone');

test('each goes on where the other has stopped, from the same offset file', {
  timeout: 240_000,
}, async (context) => {
  const address = kafkaOf(context);
  using lines = new Lines(folder, 'lines', 1);
  const files = [path.join(folder, 'connector.properties'), path.join(folder, 'connector.json')] as const;
  const config = { name: 'lines', ...fileSource(lines.file, 'lines'), 'tasks.max': '1' };
  writeFileSync(
    files[0],
    Object.entries(config)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const { name, ...inside } = config;
  writeFileSync(files[1], JSON.stringify({ name, config: inside }));
  const offsets = path.join(folder, 'connect.offsets');
  const worker = {
    ...TEXT,
    'offset.storage.file.filename': offsets,
    'offset.flush.interval.ms': '200',
  };
  const stored = (): Promise<true> =>
    eventually('offsets are stored', () => Promise.resolve(existsSync(offsets)));
  for (let round = 0; round < 2; round++) {
    {
      await using connect = await RealConnect.start(path.join(folder, 'connect'), address, worker, [
        files[0],
      ]);
      await untilLine(address, 'lines', lines.count);
      await stored();
      await connect.stop();
    }
    {
      const options = { bootstrapServers: address, properties: worker, standalone: [files[1]] };
      await using millrace = await startMillrace(options);
      await untilLine(address, 'lines', lines.count);
      const { body } = await millrace.request('GET', '/connectors/lines/offsets');
      expect(body).toMatchObject({ offsets: [{ partition: { filename: lines.file } }] });
      // Killed, it leaves what it has stored last.
      if (round === 0) await millrace.end();
    }
  }
  await using connect = await RealConnect.start(path.join(folder, 'connect'), address, worker, [files[1]]);
  await untilLine(address, 'lines', lines.count);
  await connect.stop();
  // Only where one was killed may lines come again; `replays` has seen that none is left out.
  expect((await replays(address, 'lines')).count).toBeLessThanOrEqual(1);
});
