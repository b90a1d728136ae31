// Lines of a byte stream, as bytes: values need not be text, and a stream without line ends must not fill the memory.
import type { Readable } from 'node:stream';
import { CliError } from './cli-error.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Lines without their ends, `\n` or `\r\n`; the last one needs none.
 *
 * @throws CliError for a line of more than `maxBytes`
 */
export async function* readLines(
  input: Readable,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let held = 0;
  let number = 1;
  const whole = (): Buffer => {
    const line = Buffer.concat(parts);
    parts = [];
    held = 0;
    number++;
    return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
  };
  for await (const chunk of untilAborted(input, signal)) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, at));
      start = at + 1;
      yield whole();
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > maxBytes)
      throw new CliError(
        `Line ${number} is too long`,
        `it has more than ${maxBytes} bytes`,
        'Check that the input has line ends, or send it whole with --format raw.',
      );
  }
  if (parts.length > 0) yield whole();
}

/** The whole input. @throws CliError when it has more than `maxBytes` */
export async function readWhole(input: Readable, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let held = 0;
  for await (const chunk of untilAborted(input, signal)) {
    parts.push(chunk);
    held += chunk.length;
    if (held > maxBytes)
      throw new CliError(
        'The input is too large for one record',
        `it has more than ${maxBytes} bytes`,
        'Send smaller records.',
      );
  }
  return Buffer.concat(parts);
}

/** The chunks of a stream; ends early when the signal fires. */
async function* untilAborted(input: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stop = (): void => void input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of input) yield chunk as Buffer;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
