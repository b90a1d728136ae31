import { readFileSync } from 'node:fs';
import { goldenPath } from '@millrace/testkit';
import { describe, expect, test } from 'vitest';
import { checkValues } from './config-check.ts';
import { postgresConfigDef } from './config-keys.ts';

interface Scenario {
  readonly steps: readonly {
    readonly id?: string;
    readonly request?: { readonly method: string; readonly json?: Record<string, string> };
  }[];
}
interface Recorded {
  readonly steps: readonly {
    readonly step: string;
    readonly json: { readonly errors?: Record<string, string[]> };
  }[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(goldenPath(`connect-rest/${name}`), 'utf8'));
const scenario = read('scenarios/validate-postgres-values.json') as Scenario;
const recorded = read('scenarios/validate-postgres-values.golden.json') as Recorded;

describe('single values are refused in the recorded words', () => {
  const cases = scenario.steps.flatMap(({ id, request }) =>
    id !== undefined && request?.method === 'PUT' ? [[id, request.json ?? {}] as const] : [],
  );
  test.each(cases)('%s', (id, config) => {
    const errors = { ...recorded.steps.find(({ step }) => step === id)?.json.errors };
    // These are not the connector's own: the worker's keys, and what only a connection tells.
    delete errors['tasks.max'];
    delete errors['database.hostname'];
    const found: Record<string, string[]> = {};
    for (const { key, message } of checkValues(config)) (found[key] ??= []).push(message);
    expect(found).toEqual(errors);
  });
});

test('a mode of field names that is none is refused, where Debezium answers with a NullPointerException', () => {
  const config = {
    'topic.prefix': 'p',
    'database.hostname': 'h',
    'database.user': 'u',
    'database.dbname': 'd',
  };
  const problems = (mode: string) => checkValues({ ...config, 'field.name.adjustment.mode': mode });
  expect(problems('Avro')).toEqual([]);
  expect(problems('perhaps')).toEqual([
    {
      key: 'field.name.adjustment.mode',
      message:
        "The 'field.name.adjustment.mode' value is invalid: Value must be one of none, avro, avro_unicode",
    },
  ]);
});

test('settings of the driver are refused as it refuses them when it is to connect', () => {
  const config = {
    'topic.prefix': 'p',
    'database.hostname': 'h',
    'database.user': 'u',
    'database.dbname': 'd',
  };
  expect(checkValues({ ...config, 'driver.targetServerType': 'perhaps' })).toEqual([
    {
      key: 'database.hostname',
      message: 'Error while validating connector config: Invalid targetServerType value: perhaps',
    },
  ]);
});

test('every key has the recorded type, default, importance, group, order and width', () => {
  const { keys } = read('configdefs/postgresql.json') as { keys: Record<string, unknown>[] };
  const own = keys.filter((key) => ['Postgres', 'Connector', 'Events'].includes(String(key['group'])));
  const listed = [...postgresConfigDef.keys.values()].filter((key) => key.internal !== true);
  expect(
    listed.map((key) => ({
      name: key.name,
      type: key.type,
      default_value:
        key.default === null
          ? null
          : Array.isArray(key.default)
            ? key.default.join(',')
            : String(key.default),
      importance: key.importance,
      group: key.group,
      order: key.orderInGroup,
      width: key.width,
      display_name: key.displayName,
      dependents: key.dependents ?? [],
    })),
  ).toEqual(
    own.map(({ name, type, default_value, importance, group, order, width, display_name, dependents }) => ({
      name,
      type,
      default_value,
      importance,
      group,
      order,
      width,
      display_name,
      dependents,
    })),
  );
});

test('rows that a snapshot reads may be named among the skipped operations', () => {
  const problems = (operations: string): unknown[] =>
    checkValues({
      'topic.prefix': 'p',
      'database.hostname': 'h',
      'database.user': 'u',
      'database.dbname': 'd',
      'skipped.operations': operations,
    });
  expect(problems('r')).toEqual([]);
  expect(problems('c, r,t')).toEqual([]);
  expect(problems('r,none')).toHaveLength(1);
});
