// Logging. Loggers are named like the Java classes operators know where one exists, levels are set by
// name prefix at run time (`/admin/loggers`), and output is pino JSON on stderr.
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { toStandardError } from './log-destination.ts';

export type Logger = PinoLogger;
/** `all` is `trace` under the name that log4j has for it. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'all' | 'silent';

function pinoLevel(level: LogLevel): Exclude<LogLevel, 'all'> {
  return level === 'all' ? 'trace' : level;
}

export interface LogHubOptions {
  readonly level?: LogLevel;
  /** Where lines go; stderr by default. */
  readonly destination?: DestinationStream;
}

interface NamespaceLevel {
  readonly level: LogLevel;
  readonly modifiedMs: number | null;
}

/** Hands out loggers by dotted name and changes their levels by name or prefix while they are in use. */
export class LogHub {
  readonly #root: Logger;
  readonly #destination: DestinationStream;
  readonly #loggers = new Map<string, Logger>();
  /** Loggers with bindings, such as those of tasks, as long as somebody uses them. */
  readonly #bound = new Map<string, Set<WeakRef<Logger>>>();
  readonly #levels = new Map<string, NamespaceLevel>();

  constructor(options: LogHubOptions = {}) {
    const level = options.level ?? 'info';
    this.#destination = options.destination ?? toStandardError();
    this.#root = pino(
      {
        level: pinoLevel(level),
        base: null,
        errorKey: 'err',
        redact: { paths: ['password', '*.password'], censor: '[hidden]' },
      },
      this.#destination,
    );
    this.#levels.set('root', { level, modifiedMs: null });
  }

  /** The logger of that name; the same object on each call. */
  logger(name: string, bindings: Record<string, unknown> = {}): Logger {
    const bare = Object.keys(bindings).length === 0;
    const known = this.#loggers.get(name);
    if (known && bare) return known;
    const child = this.#root.child({ logger: name, ...bindings });
    child.level = pinoLevel(this.levelOf(name));
    if (bare) this.#loggers.set(name, child);
    else this.#remember(name, child);
    return child;
  }

  /** Passes on a line that another thread's hub has rendered. */
  write(line: string): void {
    this.#destination.write(line);
  }

  #remember(name: string, logger: Logger): void {
    const known = this.#bound.get(name) ?? new Set();
    for (const reference of known) if (!reference.deref()) known.delete(reference);
    known.add(new WeakRef(logger));
    this.#bound.set(name, known);
    if (!this.#loggers.has(name)) this.logger(name);
  }

  /** The level in force for a name: its own, else that of the nearest prefix, else the root's. */
  levelOf(name: string): LogLevel {
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      const set = this.#levels.get(name.slice(0, end));
      if (set) return set.level;
    }
    return this.#levels.get('root')?.level ?? 'info';
  }

  /**
   * Sets the level of a name and of all that begin with it, or of all for `root`; returns the names of the loggers whose
   * level it changed, sorted.
   */
  setLevel(namespace: string, level: LogLevel, nowMs: number): string[] {
    const all = this.levels();
    const known = new Set([...all.keys(), namespace]);
    const changed = [...known].filter((name) => {
      if (namespace !== 'root' && !name.startsWith(namespace)) return false;
      return (all.get(name)?.level ?? this.levelOf(name)) !== level;
    });
    if (!all.has(namespace)) this.#levels.set(namespace, { level, modifiedMs: null });
    for (const name of changed) {
      this.#levels.set(name, { level, modifiedMs: nowMs });
      const logger = this.#loggers.get(name);
      if (logger) logger.level = pinoLevel(level);
      for (const reference of this.#bound.get(name) ?? []) {
        const bound = reference.deref();
        if (bound) bound.level = pinoLevel(level);
      }
    }
    return changed.sort();
  }

  /** Names whose level was set or that are in use, with level and time of the last change. */
  levels(): Map<string, NamespaceLevel> {
    const all = new Map(this.#levels);
    for (const name of this.#loggers.keys()) {
      if (!all.has(name)) all.set(name, { level: this.levelOf(name), modifiedMs: null });
    }
    return all;
  }
}

/** A logger that drops everything, for tests and pure code. */
export const silentLogger: Logger = pino({ level: 'silent' });
