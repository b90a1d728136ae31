// What is done to logs as time goes by: old segments are deleted, compacted logs cleaned. Each on a timer of its own,
// none of which does more than compare numbers where nothing is due.
import { type Clock, type Logger, toError } from '@millrace/foundation';
import type { Disk } from '../disk.ts';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { type CleanerStats, LogCleaner } from './cleaner/log-cleaner.ts';
import type { LogDirectory } from './log-directory.ts';
import { enforceRetention } from './retention.ts';

export interface LogKeeperParts {
  readonly directory: LogDirectory;
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was deleted since the start. */
export interface RetentionStats {
  readonly segments: number;
  readonly bytes: number;
}

/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 2_147_483_647;

export class LogKeeper {
  readonly #parts: LogKeeperParts;
  readonly #cleaner: LogCleaner;
  readonly #timers = new Set<NodeJS.Timeout>();
  #scanning: Promise<void> | undefined;
  #deleted = { segments: 0, bytes: 0 };
  #closed = false;

  constructor(parts: LogKeeperParts) {
    this.#parts = parts;
    this.#cleaner = new LogCleaner(parts);
  }

  get cleanerStats(): CleanerStats {
    return this.#cleaner.stats;
  }
  get retentionStats(): RetentionStats {
    return this.#deleted;
  }

  /** Begins to scan; the logs must be open. */
  start(): void {
    this.#every('log.retention.check.interval.ms', () => this.scanRetention());
    if (this.#parts.config.boolean('log.cleaner.enable')) {
      this.#every('log.cleaner.backoff.ms', () => this.#cleaner.run());
    }
  }

  /** Deletes what is too old or too much, in all logs; a second call waits for the first. Never rejects. */
  scanRetention(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  /** Stops what runs. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([this.#cleaner.close(), this.#scanning]);
  }

  async #scan(): Promise<void> {
    const { directory, clock, logger } = this.#parts;
    for (const [, log] of directory.logs()) {
      if (this.#closed) return;
      const { topic, partition } = log;
      try {
        const { segments, bytes } = await enforceRetention(log, clock.nowMs());
        if (segments === 0) continue;
        this.#deleted = { segments: this.#deleted.segments + segments, bytes: this.#deleted.bytes + bytes };
        logger.info(
          { topic, partition, segments, bytes, startOffset: log.startOffset },
          'deleted old segments',
        );
      } catch (error) {
        // INV-6: the other logs are seen to.
        if (!log.isClosed)
          logger.warn({ err: toError(error), topic, partition }, 'old segments were not deleted');
      }
    }
  }

  /** Does something again and again, as far apart as a key says; it may be changed at run time. */
  #every(key: string, task: () => Promise<void>): void {
    if (this.#closed) return;
    const ms = Math.min(Math.max(1, this.#parts.config.number(key)), MAX_TIMER_MS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void task().then(() => this.#every(key, task));
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }
}
