// Which partitions of a topic a command works on.
import type { TopicDescription } from '@millrace/kafka-client';
import { CliError } from './cli-error.ts';

/** The wanted partitions in order, all when none are named. @throws CliError when one is not there */
export function choosePartitions(
  topic: TopicDescription,
  wanted: readonly number[] | undefined,
): readonly number[] {
  const count = topic.partitions.length;
  if (wanted === undefined) return topic.partitions.map(({ partition }) => partition);
  const missing = wanted.find((partition) => partition >= count);
  if (missing === undefined) return [...new Set(wanted)].sort((a, b) => a - b);
  throw new CliError(
    `${topic.name} has no partition ${missing}`,
    `it has ${count}, from 0 to ${count - 1}`,
    'Name one of them.',
    2,
  );
}
