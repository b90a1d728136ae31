// Levels of loggers, by name and prefix, while they are in use.
import type { LoggerLevel } from '@millrace/connect-api';
import type { Clock, LogHub, LogLevel } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { Herder } from '../herder/herder-api.ts';
import { objectBody, ok, type RestAnswer, type RestRequest, type Route } from './http.ts';

/** Levels of log4j and what they are here. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  OFF: 'silent',
  FATAL: 'fatal',
  ERROR: 'error',
  WARN: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  TRACE: 'trace',
  ALL: 'all',
};

/** The level of a request, or undefined. */
export function logLevelOf(name: string): LogLevel | undefined {
  return LEVELS[name.toUpperCase()];
}

function levelName(level: LogLevel): string {
  return level === 'silent' ? 'OFF' : level.toUpperCase();
}

export interface LoggerRoutesOptions {
  readonly herder: Herder;
  readonly logHub: LogHub;
  readonly clock: Clock;
  /** Sets a level here and in all threads; returns the names of the loggers that changed. */
  readonly setLevel: (namespace: string, level: LogLevel) => string[];
}

export function loggerRoutes(options: LoggerRoutesOptions): Route[] {
  const { logHub } = options;
  return [
    { method: 'GET', path: '/admin/loggers', handle: () => ok(allLevels(logHub)) },
    {
      method: 'GET',
      path: '/admin/loggers/:logger',
      handle: (request) => {
        const name = loggerName(request);
        const level = allLevels(logHub)[name];
        if (!level) throw connectError('connect.not_found', `Logger ${name} not found.`);
        return ok(level);
      },
    },
    { method: 'PUT', path: '/admin/loggers/:logger', handle: (request) => setLevel(options, request) },
  ];
}

function allLevels(logHub: LogHub): Record<string, LoggerLevel> {
  const levels = [...logHub.levels()].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    levels.map(([name, { level, modifiedMs }]) => [
      name,
      { level: levelName(level), last_modified: modifiedMs },
    ]),
  );
}

function loggerName(request: RestRequest): string {
  const name = request.params['logger'] ?? '';
  return name.toLowerCase() === 'root' ? 'root' : name;
}

async function setLevel(options: LoggerRoutesOptions, request: RestRequest): Promise<RestAnswer> {
  const namespace = loggerName(request);
  const wanted = objectBody(request, 'The request has no level')['level'];
  if (wanted === undefined || wanted === null) {
    throw connectError('connect.bad_request', "Desired 'level' parameter was not specified in request.");
  }
  if (wanted === '') throw connectError('connect.rest_internal', 'Illegal null or empty Level name.');
  const level = logLevelOf(String(wanted));
  if (level === undefined) throw connectError('connect.not_found', `invalid log level '${String(wanted)}'.`);
  if (request.query.get('scope')?.toLowerCase() === 'cluster') {
    await options.herder.setClusterLoggerLevel(namespace, levelName(level));
    return { status: 204 };
  }
  return ok(options.setLevel(namespace, level));
}
