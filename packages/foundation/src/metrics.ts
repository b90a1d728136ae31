// Metrics: numbers that are read when somebody asks for them, so that they cost nothing while nobody does.
import { Gauge, Registry } from 'prom-client';

/** The metrics of one process or thread; `/metrics` renders them. */
export type Metrics = Registry;
export function createMetrics(): Metrics {
  return new Registry();
}

/** A number that several parts of the program show, told apart by their labels. */
export interface GaugeInfo {
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `counter` for what only grows while it is shown; `gauge` by default. */
  readonly kind?: SeriesKind;
}
export type SeriesKind = 'gauge' | 'counter';

/** One line of a family: its labels beyond those of the family, and its value. */
export interface GaugeLine {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Numbers of one name whose lines are not known beforehand, such as one a table. */
export interface GaugeFamily extends GaugeInfo {
  /** Names of the labels that each line adds to `labels`. */
  readonly lineLabels: readonly string[];
}

interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly read: () => Iterable<GaugeLine>;
}

const NO_LABELS: Readonly<Record<string, string>> = {};

/**
 * Shows a number that is read whenever somebody looks, so that it costs nothing else; NaN leaves it out. Returns how to
 * take it back.
 */
export function showGauge(metrics: Metrics, info: GaugeInfo, read: () => number): () => void {
  return showGauges(metrics, { ...info, lineLabels: [] }, () => [{ labels: NO_LABELS, value: read() }]);
}

/** Shows numbers as `showGauge` does, as many as there are when somebody looks. */
export function showGauges(
  metrics: Metrics,
  family: GaugeFamily,
  read: () => Iterable<GaugeLine>,
): () => void {
  const known = metrics.getSingleMetric(family.name);
  const shown = known instanceof ShownSeries ? known : new ShownSeries(metrics, family);
  const reading: Reading = { labels: family.labels, read };
  shown.readings.add(reading);
  return () => shown.readings.delete(reading);
}

/** All series of one name in Prometheus' text form; it crosses threads as it is. */
export interface RenderedFamily {
  readonly name: string;
  /** HELP and TYPE, each with its line end. */
  readonly head: string;
  /** The series, each with its line end. */
  readonly body: string;
}

/**
 * What is shown by `showGauge` and `showGauges`, as text: a page of tens of thousands of series is some megabytes, and as
 * objects ten times that.
 */
export function renderShown(metrics: Metrics): RenderedFamily[] {
  return metrics
    .getMetricsAsArray()
    .flatMap((metric: unknown) => (metric instanceof ShownSeries ? (metric.render() ?? []) : []));
}

/** What prom-client's own counters and gauges say, as its registries exchange it. */
export async function renderOthers(metrics: Metrics): Promise<object[]> {
  const others = metrics
    .getMetricsAsArray()
    .filter((metric: unknown) => !(metric instanceof ShownSeries)) as unknown as Gauge[];
  return await Promise.all(others.map((metric) => metric.get()));
}

/** Families of several threads as one page; of two series with equal labels the later stays. */
export function pageOf(families: Iterable<RenderedFamily>): string {
  const byName = new Map<string, RenderedFamily>();
  for (const family of families) {
    const known = byName.get(family.name);
    byName.set(family.name, known ? { ...family, body: joined(known.body, family.body) } : family);
  }
  return [...byName.values()].map(({ head, body }) => `${head}${body}`).join('\n');
}

function joined(first: string, second: string): string {
  const lines = new Map<string, string>();
  for (const line of `${first}${second}`.split('\n')) {
    if (line !== '') lines.set(line.slice(0, line.lastIndexOf(' ')), line);
  }
  return `${[...lines.values()].join('\n')}\n`;
}

type Rendered = Awaited<ReturnType<Gauge['get']>>;

/** Keeps no values between two looks, unlike prom-client's own gauge, which hashes and stores each. */
class ShownSeries extends Gauge {
  readonly readings = new Set<Reading>();
  readonly #info: GaugeFamily;

  constructor(metrics: Metrics, info: GaugeFamily) {
    const { name, help, labels, lineLabels } = info;
    super({ name, help, labelNames: [...Object.keys(labels), ...lineLabels], registers: [metrics] });
    this.#info = info;
  }

  /** Undefined when there is nothing to show. */
  render(): RenderedFamily | undefined {
    const { name, help, kind = 'gauge' } = this.#info;
    const lines = new Map<string, number>();
    for (const { labels, read } of this.readings) {
      const common = labelText(labels);
      for (const line of read()) {
        if (Number.isNaN(line.value)) continue;
        const own = labelText(line.labels);
        lines.set(common === '' || own === '' ? common + own : `${common},${own}`, line.value);
      }
    }
    if (lines.size === 0) return undefined;
    let body = '';
    for (const [text, value] of lines)
      body += text === '' ? `${name} ${numberText(value)}\n` : `${name}{${text}} ${numberText(value)}\n`;
    return {
      name,
      head: `# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}\n# TYPE ${name} ${kind}\n`,
      body,
    };
  }

  override get(): Promise<Rendered> {
    const values: Rendered['values'] = [];
    for (const { labels, read } of this.readings) {
      for (const line of read()) {
        if (!Number.isNaN(line.value))
          values.push({ labels: { ...labels, ...line.labels }, value: line.value });
      }
    }
    const { name, help, kind = 'gauge' } = this.#info;
    // prom-client's declarations have a number for the type where it has this text.
    return Promise.resolve({ name, help, type: kind, values, aggregator: 'sum' } as unknown as Rendered);
  }
}

function labelText(labels: Readonly<Record<string, string>>): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name] ?? '';
    const written = /["\\\n]/.test(value) ? value.replace(/["\\\n]/g, escaped) : value;
    text += text === '' ? `${name}="${written}"` : `,${name}="${written}"`;
  }
  return text;
}

function escaped(one: string): string {
  return one === '\n' ? '\\n' : `\\${one}`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
