// Where commands write: tables for people, JSON for programs. Colour only on a terminal that wants it.
import Table from 'cli-table3';

const gone = new AbortController();
/** Fires when the reader of standard output has gone, as `head` does when it has enough. */
export const outputGone: AbortSignal = gone.signal;

/** Makes a broken pipe the end of the output rather than of the process; to be called once, at start. */
export function watchOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone.abort();
  });
  // There is no other place to tell of it.
  process.stderr.on('error', () => undefined);
}

/** Writes to standard output; resolves once the bytes are handed over, false when nobody reads them. */
export function writeOut(bytes: Buffer | string): Promise<boolean> {
  return new Promise((resolve) => {
    if (gone.signal.aborted) resolve(false);
    else process.stdout.write(bytes, (error) => resolve(!error));
  });
}

export type OutputFormat = 'table' | 'json';

/** Whether to colour: a terminal, and NO_COLOR is not set. */
export function coloured(stream: NodeJS.WriteStream = process.stdout): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, grey: 90, bold: 1 } as const;
export type Colour = keyof typeof CODES;

export function paint(text: string, colour: Colour, on: boolean = coloured()): string {
  return on ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

/** The colour of a connector's or task's state. */
export function paintState(state: string, on?: boolean): string {
  const colour = state === 'RUNNING' ? 'green' : state === 'FAILED' ? 'red' : 'yellow';
  return paint(state, colour, on);
}

/** A table without borders, columns two spaces apart, as kubectl and kcctl print. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const table = new Table({
    head: [...head],
    chars: none,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Prints JSON for `-o json`, else what `human` makes of it. */
export function print(format: OutputFormat, json: unknown, human: () => string): void {
  const text =
    format === 'json'
      ? JSON.stringify(json, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)
      : human();
  process.stdout.write(text === '' ? '' : `${text}\n`);
}
