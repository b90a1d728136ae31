// A logger whose lines go to the main thread, where levels and destinations are decided.
import { type Logger, LogHub, type LogLevel } from '@millrace/foundation';
import type { ThreadLogLevel } from './broker-thread.ts';

/** One line, taken apart. */
export interface DestinationLine {
  readonly level: ThreadLogLevel;
  readonly fields: object;
  readonly message: string;
}

const LEVELS: readonly [number, ThreadLogLevel][] = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warn'],
  [30, 'info'],
];

/** Makes a logger that hands each line to `send`. */
export function threadLogger(level: string, send: (line: DestinationLine) => void): Logger {
  const destination = {
    write: (text: string): void => {
      const { level: number, msg, time: _time, ...fields } = JSON.parse(text) as Record<string, unknown>;
      const name = LEVELS.find(([from]) => Number(number) >= from)?.[1] ?? 'debug';
      send({ level: name, fields, message: String(msg ?? '') });
    },
  };
  return new LogHub({ level: level as LogLevel, destination }).logger('kafka.server');
}
