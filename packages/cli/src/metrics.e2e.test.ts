// What `/metrics` says of connectors and tasks: Connect's MBeans under Strimzi's names, with values that can be counted.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MBEANS, seriesName } from '@millrace/connect-runtime';
import { eventually, goldenPath, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { putConnector } from './testing/connectors.ts';
import { MetricsPage } from './testing/metrics-page.ts';
import { fileSource, TEXT } from './testing/numbered-lines.ts';
import { group, untilBalanced, Workers } from './testing/workers.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-metrics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ten lines, three of which are no JSON. */
const LINES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => (i % 3 === 2 ? `not JSON ${i}` : `{"a":${i}}`));

function fileSink(file: string, more: Record<string, string>): Record<string, string> {
  return {
    ...TEXT,
    'connector.class': 'FileStreamSink',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter.schemas.enable': 'false',
    file,
    topics: 'lines',
    ...more,
  };
}

describe('a source, a sink with dead letters and a sink that failed', () => {
  let millrace: MillraceProcess;
  let page: MetricsPage;
  beforeAll(async () => {
    millrace = await startMillrace({
      properties: { 'offset.flush.interval.ms': '200', 'heartbeat.interval.ms': '500' },
    });
    const input = path.join(folder, 'in');
    writeFileSync(input, `${LINES.join('\n')}\n`);
    await putConnector(millrace, 'source', fileSource(input, 'lines'));
    await putConnector(
      millrace,
      'sink',
      fileSink(path.join(folder, 'out'), {
        'errors.tolerance': 'all',
        'errors.log.enable': 'true',
        'errors.deadletterqueue.topic.name': 'dead',
        'errors.deadletterqueue.topic.replication.factor': '1',
        transforms: 'r',
        'transforms.r.type': 'org.apache.kafka.connect.transforms.InsertField$Value',
        'transforms.r.topic.field': 't',
        'transforms.r.predicate': 'p',
        predicates: 'p',
        'predicates.p.type': 'org.apache.kafka.connect.transforms.predicates.RecordIsTombstone',
      }),
    );
    await putConnector(millrace, 'failing', fileSink(path.join(folder, 'never'), {}));
    await eventually(
      'everything is read, the offsets are committed, and one task has failed',
      async () => {
        page = await MetricsPage.of(millrace);
        const task = (name: string, connector: string): number | undefined =>
          page.value(`kafka_connect_${name}`, { connector, task: '0' });
        return (
          task('source_task_source_record_write_total', 'source') === LINES.length &&
          task('source_task_source_record_active_count', 'source') === 0 &&
          task('sink_task_sink_record_send_total', 'sink') === 7 &&
          task('sink_task_sink_record_active_count', 'sink') === 0 &&
          (page.value('kafka_connect_coordinator_heartbeat_total') ?? 0) > 0 &&
          page.find('kafka_connect_connector_task_status', { connector: 'failing', status: 'failed' })
            .length === 1
        );
      },
      60_000,
    );
  }, 90_000);
  afterAll(() => millrace[Symbol.asyncDispose]());

  const values = (prefix: string, connector: string, names: readonly string[]): (number | undefined)[] =>
    names.map((name) => page.value(`kafka_connect_${prefix}_${name}`, { connector, task: '0' }));

  it('counts records exactly', () => {
    const source = ['source_record_poll_total', 'source_record_write_total', 'source_record_active_count'];
    expect(values('source_task', 'source', source)).toEqual([10, 10, 0]);
    const sink = [
      'sink_record_read_total',
      'sink_record_send_total',
      'sink_record_active_count',
      'partition_count',
      'offset_commit_skip_total',
    ];
    expect(values('sink_task', 'sink', sink)).toEqual([10, 7, 0, 1, 0]);
    expect(values('sink_task', 'failing', sink.slice(0, 2))).toEqual([10, 0]);
    const rate = page.value('kafka_connect_source_task_source_record_poll_rate', { connector: 'source' });
    // All ten within the last minute, over one window and a part of the second.
    expect(rate).toBeGreaterThan(10 / 60);
    expect(rate).toBeLessThanOrEqual(10 / 30);
    expect(
      page.value('kafka_consumer_fetch_manager_records_lag_max', { clientid: 'connector-consumer-sink-0' }),
    ).toBe(0);
    expect(
      page.value('kafka_producer_record_send_total', { clientid: 'connector-producer-source-0' }),
    ).toBeGreaterThanOrEqual(10);
  });

  it('counts errors exactly, of a task that goes on and of one that failed', () => {
    const names = [
      'total_record_failures',
      'total_record_errors',
      'total_records_skipped',
      'total_retries',
      'total_errors_logged',
      'deadletterqueue_produce_requests',
      'deadletterqueue_produce_failures',
    ];
    expect(values('task_error', 'source', names)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(values('task_error', 'sink', names)).toEqual([3, 3, 3, 0, 3, 3, 0]);
    expect(values('task_error', 'failing', names)).toEqual([1, 1, 0, 0, 0, 0, 0]);
    const last = (connector: string): number =>
      page.value('kafka_connect_task_error_last_error_timestamp', { connector }) ?? -1;
    expect(last('source')).toBe(0);
    expect(Math.abs(Date.now() - last('sink'))).toBeLessThan(120_000);
  });

  it('shows states, classes and starts', () => {
    const counts = ['total', 'running', 'paused', 'failed', 'unassigned', 'restarting', 'destroyed'].map(
      (state) => page.value(`kafka_connect_worker_connector_${state}_task_count`, { connector: 'failing' }),
    );
    expect(counts).toEqual([1, 0, 0, 1, 0, 0, 0]);
    const worker = [
      'connector_count',
      'task_count',
      'connector_startup_attempts_total',
      'connector_startup_success_total',
      'connector_startup_failure_total',
      'connector_startup_success_percentage',
      'task_startup_attempts_total',
      'task_startup_success_total',
    ];
    expect(worker.map((name) => page.value(`kafka_connect_worker_${name}`))).toEqual([
      3, 3, 3, 3, 0, 1, 3, 3,
    ]);
    expect(page.find('kafka_connect_connector_connector_class', { connector: 'sink' })).toEqual([
      {
        name: 'kafka_connect_connector_connector_class',
        labels: {
          connector: 'sink',
          connector_class: 'org.apache.kafka.connect.file.FileStreamSinkConnector',
        },
        value: 1,
      },
    ]);
    const [task] = page.find('kafka_connect_connector_task_value_converter_class', { connector: 'sink' });
    expect(task?.labels['value_converter_class']).toBe('org.apache.kafka.connect.json.JsonConverter');
    expect(page.types.get('kafka_connect_source_task_source_record_poll_total')).toBe('counter');
    expect(page.types.get('kafka_connect_source_task_source_record_active_count')).toBe('gauge');
  });

  it('has a series for every attribute that a real worker has, as far as SKIPPED.md names no reason', () => {
    const missing = recordedAttributes().filter(({ type, attribute }) => {
      const known = Object.values(MBEANS).some(
        (mbean) => (mbean.types as readonly string[]).includes(type) && attribute in mbean.attributes,
      );
      if (!known) return false; // mbeans.golden.test.ts holds those against SKIPPED.md
      return page.find(seriesName(type, attribute)).length === 0;
    });
    expect(missing.map(({ attribute }) => attribute)).toEqual([]);
  });
});

it('a paused task has its time as paused, and a resumed one as running again', {
  timeout: 60_000,
}, async () => {
  await using millrace = await startMillrace();
  const file = path.join(folder, 'paused');
  writeFileSync(file, 'one\n');
  await putConnector(millrace, 'rests', fileSource(file, 'rests'));
  const ratios = async (): Promise<(number | undefined)[]> => {
    const page = await MetricsPage.of(millrace);
    return ['running_ratio', 'pause_ratio'].map((name) =>
      page.value(`kafka_connect_connector_task_${name}`, { connector: 'rests' }),
    );
  };
  const isShown = async (status: string): Promise<boolean> =>
    (await MetricsPage.of(millrace)).find('kafka_connect_connector_task_status', { status }).length === 1;
  await eventually('the task runs', () => isShown('running'));
  const [runningBefore = 0, pausedBefore] = await ratios();
  expect(pausedBefore).toBe(0);
  await millrace.request('PUT', '/connectors/rests/pause');
  await eventually('the task is paused', () => isShown('paused'));
  await eventually('it has been paused for longer than it ran', async () => {
    const [running = 1, paused = 0] = await ratios();
    return paused > 0.3 && running < runningBefore;
  });
  await millrace.request('PUT', '/connectors/rests/resume');
  await eventually('it runs again', () => isShown('running'));
  const [resumed = 1] = await ratios();
  await eventually('its share of running grows again', async () => {
    const [running = 0, paused = 1] = await ratios();
    expect(running + paused).toBeLessThanOrEqual(1.000_001);
    return running > resumed;
  });
  await millrace.request('DELETE', '/connectors/rests');
  await eventually('nothing of it is left', async () => {
    const page = await MetricsPage.of(millrace);
    return page.series.every(({ labels }) => labels['connector'] !== 'rests');
  });
});

describe('two workers', () => {
  let broker: BrokerProcess;
  beforeAll(async () => {
    broker = await startBrokerProcess();
  });
  afterAll(() => broker[Symbol.asyncDispose]());

  it('show each only what runs there, and their group the same', { timeout: 120_000 }, async () => {
    await using workers = new Workers(broker.kafka, group('shown'));
    const [first] = await workers.start(1);
    if (!first) throw new Error('no worker');
    for (const i of [0, 1, 2, 3]) {
      const file = path.join(folder, `shown-${i}`);
      writeFileSync(file, 'one\n');
      await putConnector(first, `c${i}`, fileSource(file, `shown-${i}`));
    }
    await untilBalanced([first], { connectors: 4, tasks: 4 });
    await workers.start(1);
    await untilBalanced(workers.all, { connectors: 4, tasks: 4 });
    const pages = await Promise.all(workers.all.map((worker) => MetricsPage.of(worker)));
    const tasksOn = (page: MetricsPage, name: string): string[] =>
      page.find(`kafka_connect_${name}`).map(({ labels }) => labels['connector'] ?? '');
    for (const name of [
      'connector_task_running_ratio',
      'source_task_source_record_poll_total',
      'task_error_total_retries',
    ]) {
      const shown = pages.map((page) => tasksOn(page, name));
      expect(shown.map((tasks) => tasks.length)).toEqual([2, 2]);
      expect(shown.flat().sort()).toEqual(['c0', 'c1', 'c2', 'c3']);
    }
    const group1 = pages.map((page) => ({
      epoch: page.value('kafka_connect_worker_rebalance_epoch'),
      leader: page.find('kafka_connect_worker_rebalance_leader_name')[0]?.labels['leader_name'],
      protocol: page.find('kafka_connect_worker_rebalance_connect_protocol')[0]?.labels['connect_protocol'],
      tasks: page.value('kafka_connect_coordinator_assigned_tasks'),
      rebalancing: page.value('kafka_connect_worker_rebalance_rebalancing'),
    }));
    expect(group1[1]).toEqual(group1[0]);
    expect(group1[0]).toMatchObject({ protocol: 'SESSIONED', tasks: 2, rebalancing: 0 });
    expect(group1[0]?.leader).toMatch(/^http:\/\/.*\/$/);
    for (const page of pages) {
      expect(page.value('kafka_connect_worker_rebalance_completed_rebalances_total')).toBeGreaterThanOrEqual(
        1,
      );
      expect(page.value('kafka_connect_worker_rebalance_rebalance_max_time_ms')).toBeGreaterThan(0);
    }
  });
});

interface Recorded {
  readonly type: string;
  readonly attribute: string;
}

/** MBeans and attributes of a real worker. */
function recordedAttributes(): Recorded[] {
  const found: Recorded[] = [];
  let type = '';
  for (const line of readFileSync(goldenPath('connect-rest/jmx-metrics.txt'), 'utf8').split('\n')) {
    const mbean = /^kafka\.\S+:type=([\w-]+)/.exec(line);
    const attribute = /^ {4}(\S+)/.exec(line);
    if (mbean?.[1] !== undefined) type = mbean[1];
    else if (attribute?.[1] !== undefined) found.push({ type, attribute: attribute[1] });
  }
  expect(found.length).toBeGreaterThan(200);
  return found;
}
