// What a partition log is made from: the parts all logs of a broker share, and what recovery found in its folder.
import type { Clock, Logger } from '@millrace/foundation';
import type { Disk } from '../disk.ts';
import type { EpochEntry } from './checkpoint.ts';
import type { DiskSpace } from './disk-space.ts';
import type { ProducerState } from './producer-state.ts';
import type { Segment } from './segment.ts';
import type { TailCache } from './tail-cache.ts';
import type { TurnEnd } from './write-pipeline.ts';

/** What all partition logs of a broker share. */
export interface LogEnvironment {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly turnEnd: TurnEnd;
  readonly tailCache: TailCache;
  readonly space: DiskSpace;
  /** Told once the device failed; from then on `storageFailed` is true. */
  readonly onStorageFailure: (error: Error) => void;
  readonly storageFailed: () => boolean;
}

/** What recovery found in a partition folder. */
export interface LogState {
  readonly directory: string;
  readonly topic: string;
  readonly partition: number;
  readonly internal: boolean;
  readonly segments: readonly Segment[];
  readonly startOffset: number;
  readonly endOffset: number;
  readonly recoveryPoint: number;
  readonly epochs: readonly EpochEntry[];
  /** Whether the epochs in the folder are older than `epochs`. */
  readonly epochsChanged: boolean;
  readonly producers: ProducerState;
}
