// All APIs this broker serves. Adding a file here is what makes it advertised.
import { produce } from './00-produce.ts';
import { fetch } from './01-fetch.ts';
import { listOffsets } from './02-list-offsets.ts';
import { metadata } from './03-metadata.ts';
import { findCoordinator } from './10-find-coordinator.ts';
import { apiVersions, refusedApiVersions } from './18-api-versions.ts';
import { createTopics } from './19-create-topics.ts';
import { deleteTopics } from './20-delete-topics.ts';
import { deleteRecords } from './21-delete-records.ts';
import { initProducerId } from './22-init-producer-id.ts';
import { offsetForLeaderEpoch } from './23-offset-for-leader-epoch.ts';
import { createPartitions } from './37-create-partitions.ts';
import { describeCluster } from './60-describe-cluster.ts';
import type { RegisteredApi } from './definition.ts';

const SERVED: readonly RegisteredApi[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  findCoordinator,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  createPartitions,
  describeCluster,
];

/** The APIs by key. */
export class ApiRegistry {
  /** Answers a version of ApiVersions that is not known. */
  readonly refusedVersions: RegisteredApi = refusedApiVersions;
  readonly #byKey: ReadonlyMap<number, RegisteredApi>;

  constructor() {
    this.#byKey = new Map([...SERVED, apiVersions(SERVED)].map((api) => [api.key, api]));
  }

  get(key: number): RegisteredApi | undefined {
    return this.#byKey.get(key);
  }
}
