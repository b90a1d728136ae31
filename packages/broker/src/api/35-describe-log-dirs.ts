// 35 DescribeLogDirs. Sizes of partitions and of the disk. v2 flexible · v3 error code · v4 disk sizes · v5 cordoned
import { API } from '@millrace/kafka-protocol';
import type { Topic } from '../metadata/topics.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface DescribeLogDirsRequest {
  /** Null means all. */
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;
}

export const describeLogDirs: RegisteredApi = defineApi<number>({
  key: API.DescribeLogDirs,
  versions: [1, 5],
  handle: (body, { broker }) => {
    const { topics } = body as unknown as DescribeLogDirsRequest;
    const all = [...broker.topics.all()].map((topic) => ({
      topic: topic.name,
      partitions: [...topic.partitions.keys()],
    }));
    const described = (topics ?? all).flatMap(({ topic: name, partitions }) => {
      const topic = broker.topics.get(name);
      return topic ? [{ name, partitions: sizesOf(topic, partitions) }] : [];
    });
    const { totalBytes, freeBytes } = broker.disk.space(broker.directory.path);
    const result = { errorCode: 0, logDir: broker.directory.path, topics: described };
    return { errorCode: 0, results: [{ ...result, totalBytes, usableBytes: freeBytes, isCordoned: false }] };
  },
});

function sizesOf(topic: Topic, partitions: readonly number[]): object[] {
  return partitions.flatMap((partitionIndex) => {
    const log = topic.partitions[partitionIndex];
    return log ? [{ partitionIndex, partitionSize: log.sizeInBytes, offsetLag: 0, isFutureKey: false }] : [];
  });
}
