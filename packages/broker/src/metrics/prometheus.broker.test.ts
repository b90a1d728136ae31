import { expect, test } from 'vitest';
import { startTestBroker } from '../testing/test-broker.ts';
import { TestClient } from '../testing/test-client.ts';

/** The samples of a page by name and labels; throws on a line that is none. */
function samplesOf(page: string): Map<string, number> {
  const samples = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of page.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|summary)$/.exec(line);
    if (type?.[1] !== undefined) {
      expect(typed.has(type[1]), `${type[1]} has one TYPE line`).toBe(false);
      typed.add(type[1]);
    }
    if (line.startsWith('#')) continue;
    const match = /^([a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (-?\d+(?:\.\d+)?(?:e-?\d+)?)$/.exec(
      line,
    );
    if (match?.[1] === undefined) throw new Error(`no sample: ${line}`);
    expect(samples.has(match[1]), `${match[1]} comes once`).toBe(false);
    samples.set(match[1], Number(match[2]));
  }
  return samples;
}

test('What was produced, fetched and refused is counted, by topic and in all', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await client.send('CreateTopics', 7, {
    topics: [{ name: 'orders', numPartitions: 2, replicationFactor: 1 }],
    timeoutMs: 5000,
  });
  await client.produce('orders', 1, { values: ['a', 'b', 'c'] });
  await client.fetch('orders', 1, 0);
  await expect(client.fetch('orders', 1, 99)).rejects.toThrow('1');
  await expect(client.produce('nope', 0, { values: ['a'] })).rejects.toThrow('3');
  const page = samplesOf(await broker.handle.metrics());
  const traffic = (name: string): (number | undefined)[] =>
    ['', '{topic="orders"}'].map((labels) =>
      page.get(`kafka_server_brokertopicmetrics_${name}_total${labels}`),
    );
  expect(traffic('messagesin')).toEqual([3, 3]);
  expect(traffic('totalproducerequests')).toEqual([2, 1]);
  expect(traffic('failedproducerequests')).toEqual([1, 0]);
  expect(traffic('totalfetchrequests')).toEqual([2, 2]);
  expect(traffic('failedfetchrequests')).toEqual([1, 1]);
  const [bytesIn] = traffic('bytesin');
  expect(bytesIn).toBeGreaterThan(61);
  expect(traffic('bytesout')).toEqual([bytesIn, bytesIn]);
  expect(page.get('kafka_log_log_size{topic="orders",partition="1"}')).toBe(bytesIn);
  expect(page.get('kafka_log_log_numlogsegments{topic="orders",partition="1"}')).toBe(1);
  expect(page.get('kafka_log_log_logendoffset{topic="orders",partition="1"}')).toBe(3);
  expect(page.get('kafka_cluster_partition_laststableoffsetlag{topic="orders",partition="1"}')).toBe(0);
  expect(page.get('kafka_network_requestmetrics_requests_total{request="Produce",version="9"}')).toBe(2);
  expect(page.get('kafka_network_requestmetrics_totaltimems_count{request="Fetch"}')).toBe(2);
  expect(page.get('kafka_log_logflushstats_logflushrateandtimems_count')).toBeGreaterThan(0);
  expect(page.get('kafka_server_socketservermetrics_connection_count{listener="PLAINTEXT"}')).toBe(1);
  expect(page.get('kafka_server_replicamanager_partitioncount')).toBe(2);
  expect(page.get('kafka_coordinator_group_groupmetadatamanager_numgroups')).toBe(0);
});

test('A topic that is gone takes its samples with it; the sums stay', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  await client.send('CreateTopics', 7, {
    topics: [
      {
        name: 'gone',
        numPartitions: 1,
        replicationFactor: 1,
        configs: [{ name: 'min.insync.replicas', value: '2' }],
      },
    ],
    timeoutMs: 5000,
  });
  await client.produce('gone', 0, { values: ['a'] });
  expect(
    samplesOf(await broker.handle.metrics()).get('kafka_server_replicamanager_underminisrpartitioncount'),
  ).toBe(1);
  await client.send('DeleteTopics', 6, { topics: [{ name: 'gone' }], timeoutMs: 5000 });
  const text = await broker.handle.metrics();
  expect(text).not.toContain('"gone"');
  expect(samplesOf(text).get('kafka_server_brokertopicmetrics_messagesin_total')).toBe(1);
});

test('A client that is none is counted as refused', async () => {
  await using broker = await startTestBroker();
  const client = await TestClient.connect(broker.handle.port);
  const closed = new Promise((resolve) => client.socket.once('close', resolve));
  client.socket.write('GET / HTTP/1.1\r\n\r\n');
  await closed;
  const page = samplesOf(await broker.handle.metrics());
  expect(page.get('millrace_broker_connections_refused_total')).toBe(1);
  expect(page.get('kafka_server_socketservermetrics_connection_creation_total')).toBe(1);
});
