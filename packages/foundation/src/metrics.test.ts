import { expect, test } from 'vitest';
import { createMetrics, showGauge, showGauges } from './metrics.ts';

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
