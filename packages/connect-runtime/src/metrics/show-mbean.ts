// Puts MBeans on the page of a thread. What shows one is asked once per look for all its attributes.
import { type GaugeLine, type Metrics, showGauges } from '@millrace/foundation';
import {
  type Attribute,
  isCounter,
  type Labels,
  MBEANS,
  type MBean,
  type MBeanName,
  seriesName,
  type TypeOf,
  textLabel,
  type Values,
} from './mbeans.ts';

/** One MBean as it is at the moment. */
export interface MBeanNow<N extends MBeanName> {
  readonly labels: Labels<N>;
  readonly values: Values<N>;
}

/** Shows an MBean; returns how to take it back. */
export function showMBean<N extends MBeanName>(
  metrics: Metrics,
  name: N,
  labels: Labels<N>,
  values: () => Values<N>,
  type?: TypeOf<N>,
): () => void {
  return showMBeans(metrics, name, () => [{ labels, values: values() }], type);
}

/** Shows as many MBeans of a kind as there are when somebody looks. */
export function showMBeans<N extends MBeanName>(
  metrics: Metrics,
  name: N,
  read: () => readonly MBeanNow<N>[],
  type: string = MBEANS[name].types[0],
): () => void {
  const mbean: MBean = MBEANS[name];
  const now = onceATurn(read);
  const hide = Object.entries(mbean.attributes).map(([attribute, about]) =>
    showGauges(
      metrics,
      {
        name: seriesName(type, attribute),
        help: typeof about === 'string' ? about : about.text,
        labels: {},
        lineLabels: [...mbean.labels, ...(typeof about === 'string' ? [] : [textLabel(attribute)])],
        kind: isCounter(attribute) ? 'counter' : 'gauge',
      },
      () => linesOf(now(), attribute, about),
    ),
  );
  return () => {
    for (const each of hide) each();
  };
}

function* linesOf(
  now: readonly { readonly labels: Readonly<Record<string, string>>; readonly values: object }[],
  attribute: string,
  about: Attribute,
): Generator<GaugeLine> {
  for (const { labels, values } of now) {
    const value: unknown = (values as Readonly<Record<string, unknown>>)[attribute];
    if (typeof about !== 'string') {
      if (typeof value === 'string' && value !== '')
        yield { labels: { ...labels, [textLabel(attribute)]: value }, value: 1 };
    } else if (typeof value === 'number') {
      // Strimzi's rule for the only time that is no duration.
      yield { labels, value: attribute === 'start-time-ms' ? value / 1000 : value };
    }
  }
}

/** All series are asked in one turn of the loop; what they have in common is computed for the first. */
function onceATurn<T>(read: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => {
    if (known === undefined) {
      known = { value: read() };
      queueMicrotask(() => {
        known = undefined;
      });
    }
    return known.value;
  };
}
