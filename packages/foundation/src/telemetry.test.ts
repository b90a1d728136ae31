import { expect, test } from 'vitest';
import { LogHub } from './telemetry.ts';

function hub(): { hub: LogHub; lines: () => string[] } {
  const written: string[] = [];
  const made = new LogHub({ level: 'info', destination: { write: (line) => void written.push(line) } });
  return { hub: made, lines: () => written.map((line) => (JSON.parse(line) as { msg: string }).msg) };
}

test('a level set by prefix changes loggers in use, those with bindings too', () => {
  const { hub: logs, lines } = hub();
  const plain = logs.logger('a.b.C');
  const task = logs.logger('a.b.Task', { task: 1 });
  task.debug('too early');
  expect(logs.setLevel('a.b', 'debug', 1)).toEqual(['a.b', 'a.b.C', 'a.b.Task']);
  plain.debug('plain');
  task.debug('task');
  logs.logger('a.other').debug('elsewhere');
  expect(lines()).toEqual(['plain', 'task']);
});

test('a more specific level wins until the prefix is set again', () => {
  const { hub: logs } = hub();
  logs.setLevel('a.b', 'warn', 1);
  expect([logs.levelOf('a.b.C'), logs.levelOf('a.x'), logs.levelOf('ab')]).toEqual(['warn', 'info', 'info']);
});

test('INV-11: a password in a log entry is hidden', () => {
  const written: string[] = [];
  const logs = new LogHub({ destination: { write: (line) => void written.push(line) } });
  logs.logger('x').info({ config: { password: 'geheim' } }, 'hello');
  expect(written.join('')).not.toContain('geheim');
});
