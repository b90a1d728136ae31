// Error codes of the client and the helpers that make them. What a broker answered is in the context as
// `kafkaError`, so that logs and policies can tell cases apart that share a code.
import { defineErrorCodes, type ErrorContext, MillraceError } from '@millrace/foundation';
import { kafkaError } from '@millrace/kafka-protocol';

export type KafkaClientCode =
  | 'kafka.unreachable'
  | 'kafka.authentication_failed'
  | 'kafka.connection_closed'
  | 'kafka.request_timeout'
  | 'kafka.unavailable'
  | 'kafka.refused'
  | 'kafka.unknown_topic'
  | 'kafka.topic_recreated'
  | 'kafka.record_too_large'
  | 'kafka.record_refused'
  | 'kafka.timestamp_refused'
  | 'kafka.acknowledged_data_lost'
  | 'kafka.offset_out_of_range'
  | 'kafka.log_truncated'
  | 'kafka.corrupt_records'
  | 'kafka.group_fenced'
  | 'kafka.group_stale'
  | 'kafka.producer_fenced'
  | 'kafka.transaction_misused'
  | 'kafka.transaction_aborted'
  | 'kafka.closed';

defineErrorCodes<KafkaClientCode>({
  'kafka.unreachable': {
    policy: 'retry',
    remedy: 'Check bootstrap.servers, and that the brokers run and can be reached from here.',
  },
  'kafka.authentication_failed': {
    policy: 'needs_operator',
    remedy:
      'Correct security.protocol, sasl.* or ssl.* of this client, or the users and certificates of the broker.',
  },
  'kafka.connection_closed': {
    policy: 'retry',
    remedy:
      'Check that the broker runs, and that security.protocol is that of its listener; the client reconnects.',
  },
  'kafka.request_timeout': {
    policy: 'retry',
    remedy: 'Check the load and the disks of the broker; the client reconnects and tries again.',
  },
  'kafka.unavailable': { policy: 'retry', remedy: 'Wait for the broker to become able to serve this.' },
  'kafka.refused': { policy: 'needs_operator', remedy: 'Correct what the broker refuses, then restart.' },
  'kafka.unknown_topic': {
    policy: 'needs_operator',
    remedy: 'Create the topic, or allow the brokers to create topics (auto.create.topics.enable).',
  },
  'kafka.topic_recreated': {
    policy: 'needs_operator',
    remedy: 'The topic was deleted and created anew; reset the offsets of its reader.',
  },
  'kafka.record_too_large': {
    policy: 'needs_operator',
    remedy:
      'Raise max.message.bytes of the topic (or message.max.bytes of the broker), or shrink the record.',
  },
  'kafka.record_refused': {
    policy: 'needs_operator',
    remedy: 'Make the record acceptable: compacted topics need keys.',
  },
  // Where the worker's clock was wrong, or set back, the same record passes when it is made again.
  'kafka.timestamp_refused': {
    policy: 'retry',
    remedy:
      'Compare the clocks of this machine and of the brokers. Where timestamps come from the data, correct them, or widen message.timestamp.before.max.ms or message.timestamp.after.max.ms of the topic.',
  },
  'kafka.acknowledged_data_lost': {
    policy: 'needs_operator',
    remedy: 'The cluster lost records it had acknowledged. Restart from an older position after checking it.',
  },
  'kafka.offset_out_of_range': {
    policy: 'needs_operator',
    remedy: 'The log no longer has that offset; choose earliest or latest and reset the reader to it.',
  },
  'kafka.log_truncated': {
    policy: 'needs_operator',
    remedy: 'The log was cut below what was read already; reset the reader to the end of the common part.',
  },
  'kafka.corrupt_records': {
    policy: 'needs_operator',
    remedy: 'Check the disks of the broker that leads this partition.',
  },
  'kafka.group_fenced': {
    policy: 'needs_operator',
    remedy: 'Another process uses the same group.instance.id; give each its own.',
  },
  'kafka.group_stale': { policy: 'retry', remedy: 'The group has moved on; the member joins again.' },
  'kafka.producer_fenced': {
    policy: 'needs_operator',
    remedy:
      'Another producer uses the same transactional id, or the transaction took longer than transaction.timeout.ms; give each producer its own id.',
  },
  'kafka.transaction_misused': {
    policy: 'fatal',
    remedy: 'Call initTransactions once, then begin, write, and commit or abort, in this order.',
  },
  'kafka.transaction_aborted': {
    policy: 'retry',
    remedy: 'Nothing of the transaction was written; do its work again in another one.',
  },
  'kafka.closed': { policy: 'fatal', remedy: 'The client was closed while this was under way.' },
});

/** Makes a coded error of this package. */
export function clientError(
  code: KafkaClientCode,
  message: string,
  options: { context?: ErrorContext; cause?: unknown; javaClass?: string } = {},
): MillraceError {
  return new MillraceError(code, message, options);
}

/** What a broker's error code means for whoever asked. `code` overrides the choice by retriability. */
export function brokerError(
  kafkaCode: number,
  doing: string,
  options: { code?: KafkaClientCode; detail?: string | null; context?: ErrorContext } = {},
): MillraceError {
  const { name, message, retriable } = kafkaError(kafkaCode);
  const code = options.code ?? (retriable ? 'kafka.unavailable' : 'kafka.refused');
  const hint = HINTS[name];
  return new MillraceError(code, `${doing}: ${options.detail || message} (${name})`, {
    context: { ...options.context, kafkaError: name, kafkaCode },
    javaClass: javaClassOf(name),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What to do about answers whose code alone does not say it. */
const HINTS: Readonly<Record<string, string>> = {
  KAFKA_STORAGE_ERROR:
    "Make room on the disk of the broker's data folder, or repair the disk; writing goes on by itself once there is room.",
  NOT_ENOUGH_REPLICAS: 'Start the missing brokers, or lower min.insync.replicas of the topic.',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'Start the missing brokers, or lower min.insync.replicas of the topic.',
};

/** The broker's error code inside an error of this package, if it carries one. */
export function kafkaCodeOf(error: unknown): number | undefined {
  const code = error instanceof MillraceError ? error.context['kafkaCode'] : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** Java's names of errors that are not those of the protocol; `Exception` follows. */
const JAVA_NAMES: Readonly<Record<string, string>> = {
  UNKNOWN_SERVER_ERROR: 'UnknownServer',
  CORRUPT_MESSAGE: 'CorruptRecord',
  REQUEST_TIMED_OUT: 'Timeout',
  MESSAGE_TOO_LARGE: 'RecordTooLarge',
  STALE_CONTROLLER_EPOCH: 'ControllerMoved',
  NETWORK_EXCEPTION: 'Network',
  INVALID_TOPIC_EXCEPTION: 'InvalidTopic',
  RECORD_LIST_TOO_LARGE: 'RecordBatchTooLarge',
  TOPIC_AUTHORIZATION_FAILED: 'TopicAuthorization',
  GROUP_AUTHORIZATION_FAILED: 'GroupAuthorization',
  CLUSTER_AUTHORIZATION_FAILED: 'ClusterAuthorization',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'TransactionalIdAuthorization',
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: 'DelegationTokenAuthorization',
  SASL_AUTHENTICATION_FAILED: 'SaslAuthentication',
  TOPIC_ALREADY_EXISTS: 'TopicExists',
  INVALID_CONFIG: 'InvalidConfiguration',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'OutOfOrderSequence',
  DUPLICATE_SEQUENCE_NUMBER: 'DuplicateSequence',
  INVALID_PRODUCER_ID_MAPPING: 'InvalidPidMapping',
  INVALID_TRANSACTION_TIMEOUT: 'InvalidTxnTimeout',
  KAFKA_STORAGE_ERROR: 'KafkaStorage',
  NON_EMPTY_GROUP: 'GroupNotEmpty',
};

function javaClassOf(name: string): string {
  const words = name.toLowerCase().split('_');
  const camel = words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('');
  // The one that is not in the package of all others.
  if (name === 'INVALID_RECORD') return 'org.apache.kafka.common.InvalidRecordException';
  return `org.apache.kafka.common.errors.${JAVA_NAMES[name] ?? camel}Exception`;
}

/** An error with a code: the error itself, or `kafka.refused` because of it. */
export function asCoded(error: Error): MillraceError {
  return error.name === 'MillraceError'
    ? (error as MillraceError)
    : clientError('kafka.refused', error.message, { cause: error });
}
