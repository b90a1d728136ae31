// Error codes of the worker. Those that REST answers carry map to a status in `rest/errors.ts`.
import { defineErrorCodes, MillraceError, type MillraceErrorOptions } from '@millrace/foundation';

/** Codes of this package. */
export type ConnectCode =
  | 'connect.bad_request'
  | 'connect.not_found'
  | 'connect.conflict'
  | 'connect.rebalance'
  | 'connect.elsewhere'
  | 'connect.starting'
  | 'connect.forbidden'
  | 'connect.rest_internal'
  | 'connect.unknown_class'
  | 'connect.bad_worker_config'
  | 'connect.rest_address'
  | 'connect.tolerance_exceeded'
  | 'connect.producer_failed'
  | 'connect.dead_letter_queue'
  | 'connect.config_variable'
  | 'connect.task_thread_lost'
  | 'connect.plugin_process_lost'
  | 'connect.plugin_not_loaded'
  | 'connect.plugin_failed'
  | 'connect.task_stalled'
  | 'connect.stop_timed_out'
  | 'connect.connector_hangs'
  | 'connect.topic_log_failed'
  | 'connect.offset_file'
  | 'connect.too_many_tasks'
  | 'connect.malformed_assignment'
  | 'connect.config_write_failed'
  | 'connect.config_behind'
  | 'connect.task_outdated'
  | 'connect.producer_fenced'
  | 'connect.data';

defineErrorCodes<ConnectCode>({
  'connect.bad_request': { policy: 'needs_operator', remedy: 'Correct the request as the message says.' },
  'connect.not_found': { policy: 'needs_operator', remedy: 'List the names there are with GET /connectors.' },
  'connect.conflict': { policy: 'needs_operator', remedy: 'Look at the state of the connector first.' },
  'connect.rebalance': { policy: 'retry', remedy: 'Send the request again in a moment.' },
  'connect.elsewhere': { policy: 'retry', remedy: 'Send the request to the worker that the message means.' },
  'connect.starting': { policy: 'retry', remedy: 'Send the request again in a moment.' },
  'connect.forbidden': { policy: 'needs_operator', remedy: 'Allow it in the worker config.' },
  'connect.rest_internal': { policy: 'needs_operator', remedy: 'Read the message; the log has more.' },
  'connect.unknown_class': {
    policy: 'needs_operator',
    remedy: 'GET /connector-plugins lists the classes this worker has.',
  },
  'connect.bad_worker_config': {
    policy: 'needs_operator',
    remedy: 'Correct the worker properties and start again.',
  },
  'connect.rest_address': {
    policy: 'needs_operator',
    remedy: 'Choose an address of this machine and a free port.',
  },
  'connect.tolerance_exceeded': {
    policy: 'needs_operator',
    remedy:
      'Correct the record, transform or converter named in the causes, or set errors.tolerance=all to pass such records by.',
  },
  'connect.producer_failed': {
    policy: 'retry',
    remedy: 'Check that the Kafka brokers are reachable and accept the topic.',
  },
  'connect.dead_letter_queue': {
    policy: 'needs_operator',
    remedy:
      'Set errors.deadletterqueue.topic.replication.factor to at most the number of brokers, or create the topic.',
  },
  'connect.config_variable': {
    policy: 'needs_operator',
    remedy: 'Define the variable, or correct the ${provider:path:key} in the config.',
  },
  'connect.task_thread_lost': { policy: 'retry', remedy: 'Nothing: the task is started again.' },
  'connect.plugin_process_lost': {
    policy: 'retry',
    remedy:
      'Look at what the message says the plug-in did; its tasks start again by themselves. plugin.process.memory.mb and plugin.process.heap.mb say how much memory it may use.',
  },
  'connect.plugin_not_loaded': {
    policy: 'needs_operator',
    remedy: 'Correct the package, or take it out of plugins (or of plugin.path), and start the worker again.',
  },
  'connect.plugin_failed': {
    policy: 'needs_operator',
    remedy: 'Read the message of the plug-in, and correct the config or the plug-in.',
  },
  'connect.task_stalled': {
    policy: 'retry',
    remedy: 'Look at what the named stage waits for; the task goes on by itself when that can go on.',
  },
  'connect.stop_timed_out': {
    policy: 'retry',
    remedy: 'The task did not end in task.shutdown.graceful.timeout.ms; see the log for what it waits for.',
  },
  'connect.connector_hangs': {
    policy: 'needs_operator',
    remedy: 'Look at what the connector waits for, such as a server that does not answer, then restart it.',
  },
  'connect.topic_log_failed': {
    policy: 'retry',
    remedy: 'Check that the Kafka brokers are reachable and that the internal topics exist.',
  },
  'connect.offset_file': {
    policy: 'retry',
    remedy:
      'Give offset.storage.file.filename a file of a standalone worker, or one that is not there yet, in a folder this user may write to.',
  },
  'connect.too_many_tasks': {
    policy: 'needs_operator',
    remedy: 'Raise tasks.max, or set tasks.max.enforce=false.',
  },
  'connect.malformed_assignment': {
    policy: 'fatal',
    remedy: 'Another program is in this group; give the workers a group.id of their own.',
  },
  'connect.config_write_failed': {
    policy: 'retry',
    remedy: 'Send the request again in a moment; the log says why it could not be written.',
  },
  'connect.config_behind': {
    policy: 'retry',
    remedy:
      'Look at what keeps the worker from reading the config topic; it joins its group again by itself. worker.sync.timeout.ms gives it more time.',
  },
  'connect.task_outdated': {
    policy: 'retry',
    remedy: 'Nothing: the task is started again as its newest config says, where the group wants it.',
  },
  'connect.producer_fenced': {
    policy: 'retry',
    remedy:
      'Raise producer.override.transaction.timeout.ms if the transactions of this task take long; give each group of workers a group.id of its own on the cluster. The task goes on after what was committed.',
  },
  'connect.data': {
    policy: 'needs_operator',
    remedy: 'Correct the data or the config named in the message.',
  },
});

/** Makes an error of one of this package's codes. */
export function connectError(
  code: ConnectCode,
  message: string,
  options: MillraceErrorOptions = {},
): MillraceError {
  return new MillraceError(code, message, options);
}

/** Java classes that Connect's answers and traces name. */
export const JAVA = {
  config: 'org.apache.kafka.common.config.ConfigException',
  connect: 'org.apache.kafka.connect.errors.ConnectException',
  data: 'org.apache.kafka.connect.errors.DataException',
  badRequest: 'org.apache.kafka.connect.runtime.rest.errors.BadRequestException',
  invalidTopic: 'org.apache.kafka.common.errors.InvalidTopicException',
  illegalState: 'java.lang.IllegalStateException',
  execution: 'java.util.concurrent.ExecutionException',
} as const;
