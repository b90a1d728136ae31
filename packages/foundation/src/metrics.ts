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
