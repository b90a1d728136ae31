// How a failed task is restarted: by the worker's settings, unless the connector's config has rules of its own, which are
// Debezium's keys.
import type { RawConfig } from '@millrace/foundation';

export interface RestartPolicy {
  readonly enabled: boolean;
  /** The first wait; each further one is twice as long. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

export interface RestartRules extends RestartPolicy {
  /** How often in a row; Infinity = without limit. */
  readonly maxRetries: number;
}

const RETRIES = 'errors.max.retries';
/** The same wait each time. */
const WAIT = 'retriable.restart.connector.wait.ms';
/** Growing waits, as Debezium's engine has them. */
const FIRST_WAIT = 'errors.retry.delay.initial.ms';
const LONGEST_WAIT = 'errors.retry.delay.max.ms';

/** Values that are no numbers are refused when the connector is made; here they count as absent. */
export function restartRules(policy: RestartPolicy, config: RawConfig): RestartRules {
  const waitMs = wholeNumber(config[WAIT]);
  const retries = wholeNumber(config[RETRIES]);
  return {
    enabled: policy.enabled,
    backoffMs: wholeNumber(config[FIRST_WAIT]) ?? waitMs ?? policy.backoffMs,
    maxBackoffMs: wholeNumber(config[LONGEST_WAIT]) ?? waitMs ?? policy.maxBackoffMs,
    maxRetries: retries === undefined || retries < 0 ? Number.POSITIVE_INFINITY : retries,
  };
}

function wholeNumber(text: string | null | undefined): number | undefined {
  return text != null && /^\s*-?\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}
