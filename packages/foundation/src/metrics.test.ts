import { Counter } from 'prom-client';
import { expect, test } from 'vitest';
import { createMetrics, pageOf, renderOthers, renderShown, showGauge, showGauges } from './metrics.ts';

test('a gauge shows what each of its readers says at the moment, until they take it back', async () => {
  const metrics = createMetrics();
  let depth = 1;
  const info = (task: string) => ({ name: 'depth', help: 'Depth.', labels: { task } });
  const hide = showGauge(metrics, info('0'), () => depth);
  showGauge(metrics, info('1'), () => 7);
  const values = async (): Promise<unknown> => {
    const [gauge] = await metrics.getMetricsAsJSON();
    return gauge?.values.map(({ labels, value }) => [labels['task'], value]);
  };
  expect(await values()).toEqual([
    ['0', 1],
    ['1', 7],
  ]);
  depth = 2;
  expect(await values()).toContainEqual(['0', 2]);
  hide();
  expect(await values()).toEqual([['1', 7]]);
});

test('a counter is a series of that type, and what is not a number is left out', async () => {
  const metrics = createMetrics();
  const family = {
    name: 'seen_total',
    help: 'Seen.',
    labels: {},
    lineLabels: ['topic'],
    kind: 'counter',
  } as const;
  showGauges(metrics, family, () => [
    { labels: { topic: 'a' }, value: 3 },
    { labels: { topic: 'b' }, value: Number.NaN },
  ]);
  expect(await metrics.metrics()).toBe(
    '# HELP seen_total Seen.\n# TYPE seen_total counter\nseen_total{topic="a"} 3\n',
  );
});

test('pages of several threads become one, in which the later of two equal series stays', async () => {
  const [first, second] = [createMetrics(), createMetrics()];
  const info = (connector: string) => ({
    name: 'depth',
    help: 'Depth \\ of\na queue.',
    labels: { connector },
  });
  showGauge(first, info('a "quoted" \\ name\n'), () => 1);
  showGauge(first, info('moved'), () => 2);
  showGauge(second, info('moved'), () => Number.POSITIVE_INFINITY);
  showGauge(second, { name: 'alone', help: 'Alone.', labels: {} }, () => 0.5);
  showGauge(second, { name: 'nothing', help: 'Nothing.', labels: {} }, () => Number.NaN);
  const counter = new Counter({ name: 'seen_total', help: 'Seen.', registers: [second] });
  counter.inc(3);
  expect(pageOf([...renderShown(first), ...renderShown(second)])).toBe(
    [
      '# HELP depth Depth \\\\ of\\na queue.',
      '# TYPE depth gauge',
      'depth{connector="a \\"quoted\\" \\\\ name\\n"} 1',
      'depth{connector="moved"} +Inf',
      '',
      '# HELP alone Alone.',
      '# TYPE alone gauge',
      'alone 0.5',
      '',
    ].join('\n'),
  );
  expect(await renderOthers(second)).toMatchObject([{ name: 'seen_total', values: [{ value: 3 }] }]);
});
