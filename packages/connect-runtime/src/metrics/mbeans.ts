// Kafka's MBeans that this worker has, attribute by attribute: what `/metrics` shows, what docs/reference/metrics.md
// lists and what tests compare with a real worker. Names are those of Connect 4.3 (`ConnectMetricsRegistry`), series
// names those that Strimzi's configuration of the JMX exporter makes of them.

/** What an attribute is; that of a `text` becomes a series of value 1 with the text as a label. */
export type Attribute = string | { readonly text: string };

export interface MBean {
  /** Types that have these attributes, the first unless whoever shows it says otherwise. */
  readonly types: readonly string[];
  /** Keys of the MBean's name beside `type`, as labels. */
  readonly labels: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** By the name that code calls them; those of one type and one set of labels are one MBean. */
export const MBEANS = {
  appInfo: {
    types: ['app-info'],
    labels: ['clientid'],
    attributes: {
      'start-time-ms': 'When the worker was started, in ms since 1970; the series is in seconds.',
      version: { text: 'Version of Millrace.' },
      'commit-id': { text: 'Commit that it was built from.' },
    },
  },
  worker: {
    types: ['connect-worker-metrics'],
    labels: [],
    attributes: {
      'connector-count': 'Connectors that this worker runs.',
      'task-count': 'Tasks that this worker runs.',
      'connector-startup-attempts-total': 'Starts of connectors.',
      'connector-startup-success-total': 'Starts of connectors that succeeded.',
      'connector-startup-success-percentage': 'Share of them, 0 to 1, of the last minute.',
      'connector-startup-failure-total': 'Starts of connectors that failed.',
      'connector-startup-failure-percentage': 'Share of them, 0 to 1, of the last minute.',
      'task-startup-attempts-total': 'Starts of tasks.',
      'task-startup-success-total': 'Starts of tasks that succeeded.',
      'task-startup-success-percentage': 'Share of them, 0 to 1, of the last minute.',
      'task-startup-failure-total': 'Starts of tasks that failed.',
      'task-startup-failure-percentage': 'Share of them, 0 to 1, of the last minute.',
    },
  },
  workerConnector: {
    types: ['connect-worker-metrics'],
    labels: ['connector'],
    attributes: {
      'connector-total-task-count': 'Tasks of the connector on this worker.',
      'connector-running-task-count': 'Those that run.',
      'connector-paused-task-count': 'Those that are paused.',
      'connector-failed-task-count': 'Those that have failed.',
      'connector-unassigned-task-count': 'Those that have not started yet.',
      'connector-restarting-task-count': 'Those that are being restarted.',
      'connector-destroyed-task-count': 'Those that are being deleted.',
    },
  },
  rebalance: {
    types: ['connect-worker-rebalance-metrics'],
    labels: [],
    attributes: {
      'connect-protocol': { text: 'Protocol of the group: SESSIONED, COMPATIBLE or EAGER.' },
      'leader-name': { text: 'Address of the worker that leads the group.' },
      epoch: 'Generation of the group.',
      'completed-rebalances-total': 'Rebalances that this worker went through.',
      rebalancing: '1 during a rebalance, else 0.',
      'rebalance-max-time-ms': 'Longest rebalance of the last minute, until what moved away had ended.',
      'rebalance-avg-time-ms': 'Mean time of a rebalance of the last minute.',
      'time-since-last-rebalance-ms': 'Time since the last rebalance ended; absent before the first.',
    },
  },
  coordinator: {
    types: ['connect-coordinator-metrics'],
    labels: ['clientid'],
    attributes: {
      'assigned-connectors': 'Connectors that the group gave to this worker.',
      'assigned-tasks': 'Tasks that the group gave to this worker.',
    },
  },
  membership: {
    types: ['connect-coordinator-metrics', 'consumer-coordinator-metrics'],
    labels: ['clientid'],
    attributes: {
      'heartbeat-rate': 'Heartbeats a second.',
      'heartbeat-response-time-max': 'Longest answer to a heartbeat, in ms.',
      'heartbeat-total': 'Heartbeats answered.',
      'join-rate': 'Joins a second.',
      'join-time-avg': 'Mean time of a join, in ms: it waits for the other members.',
      'join-time-max': 'Longest join, in ms.',
      'join-total': 'Joins.',
      'last-heartbeat-seconds-ago': 'Seconds since the last heartbeat was answered; absent before the first.',
      'last-rebalance-seconds-ago': 'Seconds since the last rebalance ended; absent before the first.',
      'rebalance-latency-avg': 'Mean time of a rebalance, in ms.',
      'rebalance-latency-max': 'Longest rebalance, in ms.',
      'rebalance-latency-total': 'Time spent in rebalances, in ms.',
      'rebalance-rate-per-hour': 'Rebalances an hour.',
      'rebalance-total': 'Rebalances that ended well.',
      'failed-rebalance-rate-per-hour': 'Rebalances an hour that failed and were begun anew.',
      'failed-rebalance-total': 'Rebalances that failed and were begun anew.',
      'sync-rate': 'Syncs a second.',
      'sync-time-avg': 'Mean time of a sync, in ms: it waits for the leader.',
      'sync-time-max': 'Longest sync, in ms.',
      'sync-total': 'Syncs.',
    },
  },
  connections: {
    types: ['connect-metrics', 'consumer-metrics', 'producer-metrics', 'admin-client-metrics'],
    labels: ['clientid'],
    attributes: {
      'connection-count': 'Connections that are open.',
      'connection-creation-total': 'Connections made.',
      'connection-close-total': 'Connections that were closed.',
      'incoming-byte-total': 'Bytes read from brokers.',
      'outgoing-byte-total': 'Bytes written to brokers.',
      'request-total': 'Requests sent.',
      'response-total': 'Answers received.',
    },
  },
  producer: {
    types: ['producer-metrics'],
    labels: ['clientid'],
    attributes: {
      'record-send-total': 'Records that are durable.',
      'record-error-total': 'Records that were refused for good.',
      'buffer-total-bytes': 'Bytes of records that may wait for their acknowledgement.',
      'buffer-available-bytes': 'Room left of them.',
    },
  },
  consumer: {
    types: ['consumer-fetch-manager-metrics'],
    labels: ['clientid'],
    attributes: {
      'records-consumed-total': 'Records read.',
      'records-lag-max': 'The longest lag of a partition.',
    },
  },
  consumerPartition: {
    types: ['consumer-fetch-manager-metrics'],
    labels: ['clientid', 'topic', 'partition'],
    attributes: {
      'records-lag': 'Records of a partition that the task has not taken yet.',
    },
  },
  consumerGroup: {
    types: ['consumer-coordinator-metrics'],
    labels: ['clientid'],
    attributes: { 'assigned-partitions': 'Partitions that the group gave to the task.' },
  },
  connector: {
    types: ['connector-metrics'],
    labels: ['connector'],
    attributes: {
      status: { text: 'running, paused, stopped, failed, unassigned or restarting.' },
      'connector-type': { text: 'source or sink.' },
      'connector-class': { text: 'Class of the connector.' },
      'connector-version': { text: 'Its version.' },
    },
  },
  task: {
    types: ['connector-task-metrics'],
    labels: ['connector', 'task'],
    attributes: {
      status: { text: 'running, paused, failed, unassigned or restarting.' },
      'running-ratio': 'Share of its time, 0 to 1, that the task has been running.',
      'pause-ratio': 'Share of its time, 0 to 1, that the task has been paused.',
      'connector-class': { text: 'Class of its connector.' },
      'connector-type': { text: 'source or sink.' },
      'connector-version': { text: 'Version of its connector.' },
      'task-class': { text: 'Class of the task.' },
      'task-version': { text: 'Its version.' },
      'key-converter-class': { text: 'Converter of keys.' },
      'key-converter-version': { text: 'Its version.' },
      'value-converter-class': { text: 'Converter of values.' },
      'value-converter-version': { text: 'Its version.' },
      'header-converter-class': { text: 'Converter of headers.' },
      'header-converter-version': { text: 'Its version.' },
    },
  },
  taskWork: {
    types: ['connector-task-metrics'],
    labels: ['connector', 'task'],
    attributes: {
      'batch-size-avg': 'Mean number of records in a batch of the last minute.',
      'batch-size-max': 'Records in the largest batch of the last minute.',
      'offset-commit-avg-time-ms': 'Mean time of storing offsets.',
      'offset-commit-max-time-ms': 'Longest time of storing offsets.',
      'offset-commit-success-percentage':
        'Share of attempts, 0 to 1, of the last minute that stored offsets.',
      'offset-commit-failure-percentage': 'Share of attempts, 0 to 1, of the last minute that failed.',
    },
  },
  transform: {
    types: ['connector-transform-metrics'],
    labels: ['connector', 'task', 'transform'],
    attributes: {
      'transform-class': { text: 'Class of a transform of the task, by its alias.' },
      'transform-version': { text: 'Its version.' },
    },
  },
  predicate: {
    types: ['connector-predicate-metrics'],
    labels: ['connector', 'task', 'predicate'],
    attributes: {
      'predicate-class': { text: 'Class of a predicate of the task, by its alias.' },
      'predicate-version': { text: 'Its version.' },
    },
  },
  source: {
    types: ['source-task-metrics'],
    labels: ['connector', 'task'],
    attributes: {
      'source-record-poll-rate': 'Records read from the source a second, before transforms.',
      'source-record-poll-total': 'Records read from the source.',
      'source-record-write-rate': 'Records a second that became durable in Kafka.',
      'source-record-write-total': 'Records durable in Kafka, without those that transforms dropped.',
      'source-record-active-count': 'Records that were read and are not durable in Kafka yet.',
      'source-record-active-count-max': 'The most of them in the last minute.',
      'source-record-active-count-avg': 'Their mean number in the last minute.',
      'poll-batch-avg-time-ms': 'Mean time that a batch of records took to come from the source.',
      'poll-batch-max-time-ms': 'Longest time that a batch took.',
      'transaction-size-min':
        'Records in the smallest transaction of the last minute, of a source that delivers exactly once.',
      'transaction-size-max': 'Records in the largest one.',
      'transaction-size-avg': 'Their mean number.',
    },
  },
  sink: {
    types: ['sink-task-metrics'],
    labels: ['connector', 'task'],
    attributes: {
      'sink-record-read-rate': 'Records read from Kafka a second, before transforms.',
      'sink-record-read-total': 'Records read from Kafka.',
      'sink-record-send-rate': 'Records a second that the sink took.',
      'sink-record-send-total': 'Records that the sink took, after transforms.',
      'sink-record-active-count': 'Records that were read and whose offsets are not committed yet.',
      'sink-record-active-count-max': 'The most of them in the last minute.',
      'sink-record-active-count-avg': 'Their mean number in the last minute.',
      'partition-count': 'Partitions that the task has.',
      'offset-commit-seq-no': 'Number of the last attempt to commit offsets.',
      'offset-commit-completion-rate': 'Commits a second that succeeded.',
      'offset-commit-completion-total': 'Commits that succeeded.',
      'offset-commit-skip-rate': 'Always 0: a commit is waited for before the next.',
      'offset-commit-skip-total': 'Always 0: a commit is waited for before the next.',
      'put-batch-avg-time-ms': 'Mean time that the sink took for a batch.',
      'put-batch-max-time-ms': 'Longest time that the sink took for a batch.',
    },
  },
  errors: {
    types: ['task-error-metrics'],
    labels: ['connector', 'task'],
    attributes: {
      'total-record-failures': 'Operations on a record that failed, each attempt.',
      'total-record-errors': 'Records that failed for good.',
      'total-records-skipped': 'Records that were passed by because of errors.',
      'total-retries': 'Operations that were tried again.',
      'total-errors-logged': 'Failed records that were logged (`errors.log.enable`).',
      'deadletterqueue-produce-requests': 'Failed records handed to the dead letter queue.',
      'deadletterqueue-produce-failures': 'Those that could not be written there.',
      'last-error-timestamp': 'When a record failed last, in ms since 1970; 0 = never.',
    },
  },
} as const;

export type MBeanName = keyof typeof MBEANS;
type AttributesOf<N extends MBeanName> = (typeof MBEANS)[N]['attributes'];

/** Values of all attributes. Absent from the page: NaN and empty texts. */
export type Values<N extends MBeanName> = {
  readonly [A in keyof AttributesOf<N>]: AttributesOf<N>[A] extends string ? number : string;
};
export type Labels<N extends MBeanName> = Readonly<Record<(typeof MBEANS)[N]['labels'][number], string>>;
export type TypeOf<N extends MBeanName> = (typeof MBEANS)[N]['types'][number];

/** The domain of a type, without `kafka.`. */
export function domainOf(type: string): string {
  return /^(consumer|producer|admin-client)-/.exec(type)?.[1]?.replace('-', '.') ?? 'connect';
}

/** The series of an attribute, as Strimzi's rules name it. */
export function seriesName(type: string, attribute: string): string {
  const what = attribute.replaceAll('-', '_');
  if (type === 'app-info')
    return attribute === 'start-time-ms' ? 'kafka_connect_start_time_seconds' : `kafka_connect_${what}_info`;
  const group = type.replace(/-metrics$/, '').replaceAll('-', '_');
  // `connect-worker-metrics` and its like say already what they are of.
  const prefix = domainOf(type) === 'connect' && !type.startsWith('connect-') ? 'kafka_connect' : 'kafka';
  return `${prefix}_${group}_${what}`;
}

/** The label that holds the text of a text attribute. */
export function textLabel(attribute: string): string {
  return attribute.replaceAll('-', '_');
}

/** Whether an attribute only grows while its MBean lives, by Kafka's own way of naming. */
export function isCounter(attribute: string): boolean {
  return attribute.endsWith('-total');
}
