import { describeTransformation } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { transformPlugins } from './plugins.ts';

/** A config that works, and configs that are refused by the key they are wrong in. */
const SUBJECTS: Readonly<
  Record<string, { config: Record<string, string>; refused?: Record<string, Record<string, string>> }>
> = {
  'io.debezium.transforms.ExtractNewRecordState': {
    config: { 'delete.tombstone.handling.mode': 'rewrite' },
    refused: { 'delete.tombstone.handling.mode': { 'delete.tombstone.handling.mode': 'maybe' } },
  },
  'org.apache.kafka.connect.transforms.Filter': { config: {} },
  'org.apache.kafka.connect.transforms.InsertField$Key': {
    config: { 'topic.field': 'topic', 'static.field': 'origin', 'static.value': 'here' },
    refused: { 'static.value': { 'static.field': 'origin' } },
  },
  'org.apache.kafka.connect.transforms.InsertField$Value': {
    config: { 'topic.field': 'topic!', 'timestamp.field': 'at' },
    refused: { 'static.value': { 'static.field': 'origin' } },
  },
  'org.apache.kafka.connect.transforms.RegexRouter': {
    config: { regex: '(\\w+)\\.(\\w+)\\.(\\w+)', replacement: '$3' },
    refused: { regex: { regex: '(', replacement: 'x' }, replacement: { regex: 'x' } },
  },
  'org.apache.kafka.connect.transforms.ReplaceField$Key': {
    config: { renames: 'id:key' },
    refused: { renames: { renames: 'id' } },
  },
  'org.apache.kafka.connect.transforms.ReplaceField$Value': {
    config: { exclude: 'place', renames: 'name:title' },
    refused: { renames: { renames: 'a:b:c' } },
  },
};

const transformations = transformPlugins.filter(({ kind }) => kind === 'transformation');

test('Every transformation is held to the suite', () => {
  expect(transformations.map(({ className }) => className).sort()).toEqual(Object.keys(SUBJECTS).sort());
});

for (const plugin of transformations) {
  const subject = SUBJECTS[plugin.className];
  if (subject) describeTransformation({ plugin, ...subject });
}
