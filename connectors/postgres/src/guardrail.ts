// A bound on how many tables a config may come to capture, often without anybody meaning to.
import type { Logger } from '@millrace/foundation';
import type { PostgresConfig } from './config.ts';
import { DEBEZIUM_EXCEPTION, postgresError } from './errors.ts';

/** @throws postgres.too_many_tables */
export function checkGuardrail({ guardrail }: PostgresConfig, tables: number, logger: Logger): void {
  if (guardrail === undefined || tables <= guardrail.max) return;
  const text = `Guardrail limit exceeded: ${tables} tables match the filters, guardrail.collections.max is ${guardrail.max}`;
  if (!guardrail.fails) {
    logger.warn({ key: 'guardrail.collections.max', tables }, text);
    return;
  }
  throw postgresError('postgres.too_many_tables', text, {
    configKey: 'guardrail.collections.max',
    javaClass: DEBEZIUM_EXCEPTION,
  });
}
