// Every MBean attribute of a real Connect worker is one of ours, or SKIPPED.md says why not.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { goldenPath } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { MBEANS, type MBean, seriesName } from './mbeans.ts';

const SKIPPED = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../../SKIPPED.md');

/** Attributes by type, and types that stand there without attributes. */
function recorded(): Map<string, Set<string>> {
  const byType = new Map<string, Set<string>>();
  let attributes = new Set<string>();
  for (const line of readFileSync(goldenPath('connect-rest/jmx-metrics.txt'), 'utf8').split('\n')) {
    const type = /^kafka\.\S+:type=([\w-]+)/.exec(line)?.[1];
    const attribute = /^ {4}(\S+)/.exec(line)?.[1];
    if (type !== undefined) {
      attributes = byType.get(type) ?? new Set();
      byType.set(type, attributes);
    } else if (attribute !== undefined) attributes.add(attribute);
  }
  return byType;
}

test('every attribute of a real worker is there, or left out with a reason', () => {
  const mbeans: readonly MBean[] = Object.values(MBEANS);
  const rows = readFileSync(SKIPPED, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| MBean'));
  const isSkipped = (type: string, attribute: string): boolean =>
    rows.some((row) => row.includes(`\`${type}\``) && row.includes(`\`${attribute}\``));
  const all = [...recorded()].flatMap(([type, names]) => [...names].map((name) => [type, name] as const));
  expect(all.length).toBeGreaterThan(150);
  const unknown = all.filter(([type, attribute]) => {
    const known = mbeans.some((mbean) => mbean.types.includes(type) && attribute in mbean.attributes);
    return known === isSkipped(type, attribute);
  });
  expect(unknown).toEqual([]);
});

test('types without recorded attributes are there too, or left out with a reason', () => {
  const mbeans: readonly MBean[] = Object.values(MBEANS);
  const skipped = readFileSync(SKIPPED, 'utf8');
  const bare = [...recorded()].filter(([, attributes]) => attributes.size === 0).map(([type]) => type);
  expect(bare).toContain('producer-metrics');
  const unknown = bare.filter(
    (type) => !mbeans.some((mbean) => mbean.types.includes(type)) && !skipped.includes(`\`${type}\``),
  );
  expect(unknown).toEqual([]);
});

test('series have the names that Strimzi gives them', () => {
  const names = [
    ['connector-task-metrics', 'running-ratio', 'kafka_connect_connector_task_running_ratio'],
    ['connector-metrics', 'connector-class', 'kafka_connect_connector_connector_class'],
    ['task-error-metrics', 'total-record-failures', 'kafka_connect_task_error_total_record_failures'],
    ['connect-worker-metrics', 'connector-count', 'kafka_connect_worker_connector_count'],
    ['connect-worker-rebalance-metrics', 'rebalancing', 'kafka_connect_worker_rebalance_rebalancing'],
    ['connect-coordinator-metrics', 'assigned-tasks', 'kafka_connect_coordinator_assigned_tasks'],
    ['connect-metrics', 'connection-count', 'kafka_connect_connection_count'],
    ['consumer-metrics', 'incoming-byte-total', 'kafka_consumer_incoming_byte_total'],
    ['producer-metrics', 'outgoing-byte-total', 'kafka_producer_outgoing_byte_total'],
    ['admin-client-metrics', 'connection-count', 'kafka_admin_client_connection_count'],
    ['consumer-fetch-manager-metrics', 'records-lag', 'kafka_consumer_fetch_manager_records_lag'],
    ['app-info', 'start-time-ms', 'kafka_connect_start_time_seconds'],
  ] as const;
  for (const [type, attribute, name] of names) expect(seriesName(type, attribute)).toBe(name);
});
