// Where log lines go by default: standard error. Who reads it may be slow, stop reading or be gone, and the disk below a
// file may be full: then lines are lost, and the process neither stands still nor ends.
import type { Writable } from 'node:stream';

/** INV-5: bytes that wait for the reader; lines beyond that are dropped and counted. */
const MAX_WAITING_BYTES = 1024 * 1024;

export interface LogDestination {
  write(line: string): void;
}

/** Lines written to a stream as it takes them. */
export function toStream(stream: Writable): LogDestination {
  let dropped = 0;
  let isGone = false;
  // Nothing else could tell of it than the log.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    isGone ||= error.code === 'EPIPE';
  });
  return {
    write: (line) => {
      if (isGone) return;
      if (stream.writableLength > MAX_WAITING_BYTES) {
        dropped++;
        return;
      }
      if (dropped > 0) {
        const msg = `${dropped} lines of the log were dropped, since nobody read what was written`;
        stream.write(`${JSON.stringify({ level: 40, time: Date.now(), logger: 'millrace', msg })}\n`);
        dropped = 0;
      }
      stream.write(line);
    },
  };
}

let standardError: LogDestination | undefined;

/** Standard error; the same for all that log. */
export function toStandardError(): LogDestination {
  standardError ??= toStream(process.stderr);
  return standardError;
}
