// Where log lines go: JSON on stderr, or short text when stderr is a terminal.
import { openSync, writeSync } from 'node:fs';
import type { LogHubOptions } from '@millrace/foundation';

const LEVELS: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
};
const HIDDEN = new Set(['level', 'time', 'logger', 'msg', 'err']);

/** Options of a LogHub for this process. */
export function logOutput(isTerminal: boolean): Pick<LogHubOptions, 'destination'> {
  if (!isTerminal) return {};
  return { destination: { write: (line) => void process.stderr.write(shortText(line)) } };
}

/** Options of a LogHub that writes JSON lines to a file, appending. */
export function logToFile(file: string): Pick<LogHubOptions, 'destination'> {
  const descriptor = openSync(file, 'a');
  return {
    destination: {
      write: (line) => {
        try {
          writeSync(descriptor, line);
        } catch {
          // A full disk ends no process that would go on without its log.
        }
      },
    },
  };
}

/** One line for people: time, level, last part of the logger's name, message, fields. */
export function shortText(line: string): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const time = new Date(Number(entry['time'])).toISOString().slice(11, 23);
  const logger =
    String(entry['logger'] ?? '')
      .split('.')
      .at(-1) ?? '';
  const fields = Object.entries(entry)
    .filter(([key]) => !HIDDEN.has(key))
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
  const error = entry['err'] as { message?: string } | undefined;
  const cause = error?.message === undefined ? '' : `: ${error.message}`;
  return `${time} ${LEVELS[Number(entry['level'])] ?? ''} ${logger} ${String(entry['msg'] ?? '')}${cause}${fields}\n`;
}
