// Where signals end up: those of the signal table pass in the stream, others come from topics. It knows what each asks
// for and who does it.
import type { OffsetMap, SourceRecord } from '@millrace/connect-api';
import { parseSignal, type Signal, type SnapshotRequest, snapshotRequest } from '@millrace/connector-common';
import { type Logger, silentLogger } from '@millrace/foundation';
import { isRefused } from '../errors.ts';
import type { IncrementalSnapshot, StreamPlace } from '../snapshot/incremental-snapshot.ts';

export interface SignalDeskOptions {
  readonly incremental: IncrementalSnapshot;
  /** Stops the stream at this place and reads tables; resolves when it may go on. */
  readonly blocking: (request: SnapshotRequest) => Promise<void>;
  readonly logger: Logger;
  /** There is a table for the marks of incremental snapshots. */
  readonly hasTable: boolean;
  readonly deletesMarks: boolean;
  /** Where the stream is. */
  readonly offset: () => OffsetMap;
}

/** What a signal asks of the stream at its place. */
export interface SignalEffect {
  readonly records: readonly SourceRecord[];
  /** To be called once the records are in the stream. */
  readonly handedOver?: () => void;
  /** The stream waits for this. */
  readonly wait: Promise<void> | undefined;
}

export interface SignalRow {
  /** Id and type as they were written: marks are our own, whatever the config says about the table. */
  readonly mark: readonly (string | null)[];
  /** Id, type and data as events have them; undefined where those have other fields. */
  readonly signal: readonly (string | null)[] | undefined;
}

const NOTHING: SignalEffect = { records: [], wait: undefined };

export class SignalDesk {
  readonly #options: SignalDeskOptions;

  constructor(options: SignalDeskOptions) {
    this.#options = options;
  }

  /** Whether a row of the signal table asks for a snapshot, by its texts. */
  asksForSnapshot([id, type, data]: readonly (string | null)[]): boolean {
    if (typeof id !== 'string' || type !== 'execute-snapshot') return false;
    const signal = parseSignal(id, type, data, silentLogger);
    return signal !== undefined && snapshotRequest(signal) !== undefined;
  }

  /** A row was inserted into the signal table. */
  inserted({ mark, signal: texts }: SignalRow, place: StreamPlace): SignalEffect {
    const { incremental, logger } = this.#options;
    const [markId, kind] = mark;
    if (typeof markId === 'string' && kind === 'snapshot-window-open') {
      incremental.opened(markId);
      return NOTHING;
    }
    if (typeof markId === 'string' && kind === 'snapshot-window-close') {
      return { ...incremental.closed(markId, place), wait: undefined };
    }
    if (texts === undefined) {
      logger.warn(
        { signal: markId },
        'a row of the signal table has not just three captured columns of text; it is ignored',
      );
      return NOTHING;
    }
    const [id, type, data] = texts;
    if (typeof id !== 'string' || typeof type !== 'string') return NOTHING;
    const signal = parseSignal(id, type, data, logger);
    return signal === undefined ? NOTHING : { records: [], wait: this.handle(signal) };
  }

  /** A row was deleted from the signal table: under insert_delete that is the closing mark. */
  deleted(id: string | null, place: StreamPlace): SignalEffect {
    const { incremental, deletesMarks } = this.#options;
    if (id === null || !deletesMarks) return NOTHING;
    return { ...incremental.closed(id, place), wait: undefined };
  }

  /** What a signal of type `log` has to say; `{}` stands for the offset. */
  #text(signal: Signal): string | null {
    const { message } = signal.data;
    if (typeof message !== 'string') return null;
    return message.replace('{}', () =>
      JSON.stringify(this.#options.offset(), (_key, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      ),
    );
  }

  /** Does what a signal asks for. The promise is there only when the stream has to wait. */
  handle(signal: Signal): Promise<void> | undefined {
    const { incremental, logger } = this.#options;
    const request = snapshotRequest(signal);
    switch (signal.type) {
      case 'execute-snapshot':
        return request === undefined || request.collections.length === 0
          ? this.#ignore(
              signal,
              'a signal asks for a snapshot of no table or of an unknown kind; it is ignored',
            )
          : this.#execute(request, signal);
      case 'stop-snapshot':
        if (request?.kind !== 'incremental')
          return this.#ignore(signal, 'only incremental snapshots can be stopped; a signal is ignored');
        return this.#between(() => incremental.stop(request.collections));
      case 'pause-snapshot':
        return this.#between(() => incremental.pause());
      case 'resume-snapshot':
        return this.#between(() => incremental.resume());
      case 'log':
        logger.info({ signal: signal.id, text: this.#text(signal) }, 'signal');
        return undefined;
      default:
        return this.#ignore(signal, 'a signal of unknown type is ignored');
    }
  }

  #execute(request: SnapshotRequest, signal: Signal): Promise<void> | undefined {
    const { incremental, blocking, hasTable, logger } = this.#options;
    if (request.kind === 'blocking') {
      return blocking(request).catch((error: unknown) => {
        // A signal cannot be taken back: the connector must not fail on it for ever.
        if (!isRefused(error)) throw error;
        logger.error({ err: error, signal: signal.id }, 'a snapshot that a signal asked for has failed');
      });
    }
    if (!hasTable) {
      const why = 'an incremental snapshot needs a table for its marks; set signal.data.collection';
      return this.#ignore(signal, why);
    }
    return this.#between(() =>
      incremental.request(request, signal.id).catch((error: unknown) => {
        logger.error({ err: error, signal: signal.id }, 'an incremental snapshot could not be started');
      }),
    );
  }

  /** What a signal asks of an incremental snapshot is done once the window that is being read is read. */
  async #between(work: () => Promise<void> | void): Promise<void> {
    await this.#options.incremental.settled();
    await work();
  }

  #ignore({ id, type }: Signal, why: string): undefined {
    this.#options.logger.warn({ signal: id, type }, why);
  }
}
