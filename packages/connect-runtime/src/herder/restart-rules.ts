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

const WAIT = 'retriable.restart.connector.wait.ms';
const RETRIES = 'errors.max.retries';

/** Values that are no numbers are refused when the connector is made; here they count as absent. */
export function restartRules(policy: RestartPolicy, config: RawConfig): RestartRules {
  const waitMs = wholeNumber(config[WAIT]);
  const retries = wholeNumber(config[RETRIES]);
  return {
    enabled: policy.enabled,
    backoffMs: waitMs ?? policy.backoffMs,
    maxBackoffMs: waitMs ?? policy.maxBackoffMs,
    maxRetries: retries === undefined || retries < 0 ? Number.POSITIVE_INFINITY : retries,
  };
}

function wholeNumber(text: string | null | undefined): number | undefined {
  return text != null && /^\s*-?\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}
