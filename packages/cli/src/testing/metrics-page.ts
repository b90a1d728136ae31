// `/metrics` as tests read it.
import { type RestSubject } from '@millrace/testkit';

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What the page of a worker says at the moment. */
export class MetricsPage {
  readonly series: readonly Series[];
  /** `# TYPE` by name. */
  readonly types: ReadonlyMap<string, string>;

  private constructor(text: string) {
    const lines = text.split('\n').filter((line) => line !== '');
    this.types = new Map(
      lines.flatMap((line) => {
        const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
        return name !== undefined && type !== undefined ? [[name, type] as const] : [];
      }),
    );
    this.series = lines.filter((line) => !line.startsWith('#')).map(parseLine);
  }

  static async of(worker: Pick<RestSubject, 'request'> & { readonly rest: string }): Promise<MetricsPage> {
    const response = await fetch(`${worker.rest}/metrics`);
    return new MetricsPage(await response.text());
  }

  /** Series of a name whose labels contain these. */
  find(name: string, labels: Readonly<Record<string, string>> = {}): Series[] {
    return this.series.filter(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    );
  }

  /** The value of the only series of that name and these labels; undefined when there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.find(name, labels);
    if (found.length > 1) throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`);
    return found[0]?.value;
  }
}

function parseLine(line: string): Series {
  const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no series: ${line}`);
  const pairs = labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
  return {
    name,
    labels: Object.fromEntries([...pairs].map(([, key = '', text = '']) => [key, text])),
    value: Number(value),
  };
}
