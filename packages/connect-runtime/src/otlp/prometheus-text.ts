// Reads Prometheus' text format as our own pages have it: the series that OTLP carries are those of `/metrics`, whatever
// part of the program they come from.

export interface Point {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
}

/** All series of one name. */
export interface Family {
  readonly name: string;
  readonly help: string;
  /** Whether it only grows. */
  readonly isCounter: boolean;
  readonly points: readonly Point[];
}

/**
 * The families of a page. Quantiles of a summary are a family of gauges with the label `quantile`, its sum and count
 * counters. Lines that are none of the format are left out, and values that are no numbers, which OTLP cannot carry.
 */
export function* familiesOf(page: string): Generator<Family> {
  let help = '';
  let type = '';
  let family = '';
  let open: { name: string; help: string; isCounter: boolean; points: Point[] } | undefined;
  for (const line of linesOf(page)) {
    if (line.startsWith('#')) {
      const [, kind, name = '', text = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
      if (kind === 'HELP') {
        [family, help, type] = [name, text, ''];
      } else if (kind === 'TYPE') type = text;
      continue;
    }
    const series = seriesOf(line);
    if (series === null) continue;
    if (open?.name !== series.name) {
      if (open && open.points.length > 0) yield open;
      const ofSummary = type === 'summary' && series.name !== family;
      open = { name: series.name, help, isCounter: type === 'counter' || ofSummary, points: [] };
    }
    if (Number.isFinite(series.value)) open.points.push(series);
  }
  if (open && open.points.length > 0) yield open;
}

function* linesOf(page: string): Generator<string> {
  let start = 0;
  while (start < page.length) {
    let end = page.indexOf('\n', start);
    if (end < 0) end = page.length;
    if (end > start) yield page.slice(start, end);
    start = end + 1;
  }
}

const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

function seriesOf(line: string): (Point & { readonly name: string }) | null {
  const [, name, labels = '', value] = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) return null;
  return {
    name,
    labels: [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, unescaped(text)]),
    value: Number(value),
  };
}

function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\(.)/g, (_match, one: string) => (one === 'n' ? '\n' : one))
    : text;
}
