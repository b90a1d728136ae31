// The broker's metrics in Prometheus' text format, under the names that Kafka's have in its usual JMX exporter
// configuration, so that dashboards made for Kafka show them. Without the label `topic` a value is the sum.
import { API } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { topicText } from '../metadata/topic-config.ts';
import type { TopicTraffic } from './broker-metrics.ts';
import type { TimeStats } from './time-stats.ts';

/** Open connections of one listener. */
export interface ListenerStats {
  readonly name: string;
  readonly connections: number;
}

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number];

const API_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(API).map(([name, key]) => [key, name]));
const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999] as const;
/** BrokerState of a Kafka broker that serves. */
const RUNNING = 3;
const NONE: Labels = {};

/** The page, without a line at its end for what has no samples. */
export function renderMetrics(
  state: BrokerState,
  listeners: readonly ListenerStats[],
  nowMs: number,
): string {
  const page = new Page();
  page.gauge('kafka_server_kafkaserver_brokerstate', 'State of the broker: 3 is running', [[NONE, RUNNING]]);
  topicMetrics(page, state);
  requestMetrics(page, state, nowMs);
  connectionMetrics(page, state, listeners);
  logMetrics(page, state, nowMs);
  replicaMetrics(page, state);
  groupMetrics(page, state);
  return page.text;
}

class Page {
  text = '';

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.#series(name, help, 'counter', samples);
  }
  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.#series(name, help, 'gauge', samples);
  }
  /** Milliseconds, with quantiles over the last one to two minutes. */
  summary(name: string, help: string, stats: readonly (readonly [Labels, TimeStats])[], nowMs: number): void {
    this.#head(name, help, 'summary');
    for (const [labels, time] of stats) {
      for (const quantile of QUANTILES)
        this.#line(name, { ...labels, quantile }, time.quantile(quantile, nowMs));
      this.#line(`${name}_sum`, labels, time.totalMs);
      this.#line(`${name}_count`, labels, time.count);
    }
  }

  #series(name: string, help: string, type: string, samples: readonly Sample[]): void {
    if (samples.length === 0) return;
    this.#head(name, help, type);
    for (const [labels, value] of samples) this.#line(name, labels, value);
  }
  #head(name: string, help: string, type: string): void {
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }
  #line(name: string, labels: Labels, value: number): void {
    const list = Object.entries(labels).map(([label, text]) => `${label}="${escaped(String(text))}"`);
    this.text += `${name}${list.length === 0 ? '' : `{${list.join(',')}}`} ${value}\n`;
  }
}

function escaped(text: string): string {
  return text.replace(/["\\\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function topicMetrics(page: Page, { metrics }: BrokerState): void {
  const series = (name: string, help: string, value: (traffic: TopicTraffic) => number): void => {
    const samples = [...metrics.topics].map(([topic, traffic]): Sample => [{ topic }, value(traffic)]);
    page.counter(`kafka_server_brokertopicmetrics_${name}_total`, help, [
      [NONE, value(metrics.all)],
      ...samples,
    ]);
  };
  series('messagesin', 'Records received from producers', ({ messagesIn }) => messagesIn);
  series('bytesin', 'Bytes of records received from producers', ({ bytesIn }) => bytesIn);
  series('bytesout', 'Bytes of records sent to consumers', ({ bytesOut }) => bytesOut);
  series('totalproducerequests', 'Batches sent to a partition', (traffic) => traffic.produceRequests);
  series('failedproducerequests', 'Batches that were refused', (traffic) => traffic.failedProduceRequests);
  series('totalfetchrequests', 'Partitions read by Fetch requests', ({ fetchRequests }) => fetchRequests);
  series('failedfetchrequests', 'Of these, answered with an error', (traffic) => traffic.failedFetchRequests);
}

function requestMetrics(page: Page, { metrics }: BrokerState, nowMs: number): void {
  const apis = [...metrics.apis]
    .sort(([a], [b]) => a - b)
    .map(([key, stats]) => ({ request: API_NAMES.get(key) ?? String(key), stats }));
  page.counter(
    'kafka_network_requestmetrics_requests_total',
    'Requests answered, by API and version',
    apis.flatMap(({ request, stats }) =>
      stats.byVersion.map((count, version): Sample => [{ request, version }, count]).filter(Boolean),
    ),
  );
  page.counter(
    'kafka_network_requestmetrics_requestbytes_total',
    'Bytes of requests',
    apis.map(({ request, stats }): Sample => [{ request }, stats.requestBytes]),
  );
  page.counter(
    'kafka_network_requestmetrics_responsebytes_total',
    'Bytes of answers',
    apis.map(({ request, stats }): Sample => [{ request }, stats.responseBytes]),
  );
  page.summary(
    'kafka_network_requestmetrics_totaltimems',
    'Milliseconds from the last byte of a request to its answer; waiting for records or members is part of it',
    apis.map(({ request, stats }) => [{ request }, stats.time] as const),
    nowMs,
  );
}

function connectionMetrics(page: Page, { metrics }: BrokerState, listeners: readonly ListenerStats[]): void {
  page.gauge(
    'kafka_server_socketservermetrics_connection_count',
    'Open connections',
    listeners.map(({ name, connections }): Sample => [{ listener: name }, connections]),
  );
  page.counter('kafka_server_socketservermetrics_connection_creation_total', 'Connections accepted', [
    [NONE, metrics.connectionsOpened],
  ]);
  page.counter(
    'millrace_broker_connections_refused_total',
    'Connections closed because what they sent could not be read or is not served',
    [[NONE, metrics.connectionsRefused]],
  );
}

function logMetrics(page: Page, { topics, metrics }: BrokerState, nowMs: number): void {
  const logs = [...topics.all()].flatMap(({ name, partitions }) =>
    partitions.flatMap((log, partition) => (log ? [{ labels: { topic: name, partition }, log }] : [])),
  );
  page.gauge(
    'kafka_log_log_size',
    'Bytes of a partition',
    logs.map(({ labels, log }) => [labels, log.sizeInBytes]),
  );
  page.gauge(
    'kafka_log_log_numlogsegments',
    'Segment files of a partition',
    logs.map(({ labels, log }) => [labels, log.segments.length]),
  );
  page.gauge(
    'kafka_log_log_logstartoffset',
    'First offset of a partition',
    logs.map(({ labels, log }) => [labels, log.startOffset]),
  );
  page.gauge(
    'kafka_log_log_logendoffset',
    'Offset that the next record of a partition gets',
    logs.map(({ labels, log }) => [labels, log.endOffset]),
  );
  page.gauge(
    'kafka_cluster_partition_laststableoffsetlag',
    'Offsets at the end of a partition that open transactions hold back',
    logs.map(({ labels, log }) => [labels, Math.max(0, log.highWatermark - log.lastStableOffset)]),
  );
  page.summary(
    'kafka_log_logflushstats_logflushrateandtimems',
    'Milliseconds that files took to become durable (fdatasync)',
    [[NONE, metrics.flushes]],
    nowMs,
  );
}

function replicaMetrics(page: Page, { topics, config }: BrokerState): void {
  let partitionCount = 0;
  let offline = 0;
  let underMinIsr = 0;
  let topicCount = 0;
  for (const topic of topics.all()) {
    topicCount++;
    partitionCount += topic.partitions.length;
    offline += topic.partitions.filter((log) => log === undefined).length;
    // There is one replica of everything.
    if (Number(topicText('min.insync.replicas', topic.configs, config)) > 1)
      underMinIsr += topic.partitions.length;
  }
  const replicas = (name: string, help: string, value: number): void =>
    page.gauge(`kafka_server_replicamanager_${name}`, help, [[NONE, value]]);
  replicas('partitioncount', 'Partitions on this broker', partitionCount);
  replicas('leadercount', 'Partitions that this broker leads', partitionCount - offline);
  replicas('underreplicatedpartitions', 'Partitions with fewer in-sync replicas than replicas', 0);
  replicas(
    'underminisrpartitioncount',
    'Partitions with fewer replicas than min.insync.replicas',
    underMinIsr,
  );
  replicas('offlinereplicacount', 'Partitions whose files are damaged', offline);
  const controller = (name: string, help: string, value: number): void =>
    page.gauge(`kafka_controller_kafkacontroller_${name}`, help, [[NONE, value]]);
  controller('activecontrollercount', 'Whether this broker is the controller', 1);
  controller('globaltopiccount', 'Topics', topicCount);
  controller('globalpartitioncount', 'Partitions', partitionCount);
  controller('offlinepartitionscount', 'Partitions without a leader', offline);
}

const GROUP_STATES = ['PreparingRebalance', 'CompletingRebalance', 'Stable', 'Empty', 'Dead'] as const;

function groupMetrics(page: Page, { groups }: BrokerState): void {
  const all = [...groups.groups()];
  let offsets = 0;
  for (const { id } of all)
    for (const partitions of groups.offsetsOf(id).values()) offsets += partitions.size;
  const gauge = (name: string, help: string, value: number): void =>
    page.gauge(`kafka_coordinator_group_groupmetadatamanager_${name}`, help, [[NONE, value]]);
  gauge('numgroups', 'Groups', all.length);
  for (const state of GROUP_STATES)
    gauge(
      `numgroups${state.toLowerCase()}`,
      `Groups in state ${state}`,
      all.filter((group) => group.is(state)).length,
    );
  gauge('numoffsets', 'Committed offsets', offsets);
}
