import { describe, expect, test } from 'vitest';
import { ConfigDef, nearestName, Password, validators } from './config.ts';
import { MillraceError } from './errors.ts';

const definition = new ConfigDef([
  { name: 'host', type: 'STRING', importance: 'HIGH', doc: '' },
  {
    name: 'port',
    type: 'INT',
    default: 5432,
    importance: 'HIGH',
    doc: '',
    validator: validators.between(1, 65535),
    aliases: ['old.port'],
  },
  { name: 'big', type: 'LONG', default: 0, importance: 'LOW', doc: '' },
  { name: 'flag', type: 'BOOLEAN', default: false, importance: 'LOW', doc: '' },
  { name: 'names', type: 'LIST', default: [], importance: 'LOW', doc: '' },
  { name: 'secret', type: 'PASSWORD', default: null, importance: 'LOW', doc: '' },
]);

describe('ConfigDef', () => {
  test('parses each type and fills defaults', () => {
    const { config, problems, warnings } = definition.parse({
      host: ' h ',
      big: '9223372036854775807',
      flag: 'TRUE',
      names: 'a, b ,c',
    });
    expect(problems).toEqual([]);
    expect(warnings).toEqual([]);
    expect([
      config.string('host'),
      config.int('port'),
      config.get('big'),
      config.boolean('flag'),
      config.list('names'),
    ]).toEqual(['h', 5432, 9223372036854775807n, true, ['a', 'b', 'c']]);
  });

  test('reports every problem at once, in the words of Kafka', () => {
    const { problems } = definition.parse({ port: '70000', big: 'x', flag: 'maybe' });
    expect(problems.map((problem) => problem.message)).toEqual([
      'Missing required configuration "host" which has no default value.',
      'Invalid value 70000 for configuration port: Value must be no more than 65535',
      'Invalid value x for configuration big: Not a number of type LONG',
      'Invalid value maybe for configuration flag: Expected value to be either true or false',
    ]);
  });

  test('takes an old name with a warning, and names the nearest key for an unknown one', () => {
    const { config, warnings } = definition.parse(
      { host: 'h', 'old.port': '1', nmaes: 'x', other: '1' },
      (key) => key === 'other',
    );
    expect(config.int('port')).toBe(1);
    expect(warnings).toEqual([
      { key: 'old.port', message: 'old.port is an old name; use port instead.' },
      { key: 'nmaes', message: 'nmaes is not a key of this config and has no effect. Did you mean names?' },
    ]);
  });

  test('throws one error that lists all problems', () => {
    expect(() => definition.parseOrThrow({ port: '0' })).toThrow(MillraceError);
    expect(() => definition.parseOrThrow({ port: '0' })).toThrow(/host[\s\S]*port/);
  });
});

test('INV-11: a password never becomes text by accident', () => {
  const password = new Password('geheim');
  expect([JSON.stringify({ password }), String(password), password.reveal()]).toEqual([
    '{"password":"[hidden]"}',
    '[hidden]',
    'geheim',
  ]);
});

test('the nearest name is close, or there is none', () => {
  expect(nearestName('slot.nam', ['slot.name', 'topic.prefix'])).toBe('slot.name');
  expect(nearestName('something.else', ['slot.name', 'topic.prefix'])).toBeUndefined();
});
