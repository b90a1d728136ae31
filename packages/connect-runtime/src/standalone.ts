// What makes a worker standalone: where it keeps configs, states and offsets, and how it comes to run connectors
// without a group.
import { type Clock, messageOf, type RawConfig, toError } from '@millrace/foundation';
import { OFFSETS_FILE, type WorkerConfig } from './config/worker-config.ts';
import { connectError } from './errors.ts';
import { Alone } from './herder/alone.ts';
import type { DistributedHerder } from './herder/herder.ts';
import type { TargetState } from './stores/config-records.ts';
import { memoryLogs, offsetFileLog } from './stores/local-logs.ts';
import type { LogOpener } from './topic-log.ts';

/** A connector that a standalone worker begins with. */
export interface StandaloneConnector {
  /** Where it comes from, for errors. */
  readonly file: string;
  readonly name: string;
  readonly config: RawConfig;
  readonly initialState?: TargetState;
}

/** What stands in place of the internal topics. @throws connect.bad_worker_config without an offset file */
export function standaloneLogs(
  { resolved }: WorkerConfig,
  clock: Clock,
): { readonly openLog: LogOpener; readonly openOffsets: LogOpener } {
  const file = resolved.optionalString(OFFSETS_FILE);
  if (!file) {
    throw connectError('connect.bad_worker_config', `${OFFSETS_FILE} is missing.`, {
      configKey: OFFSETS_FILE,
      hint: `A standalone worker keeps source offsets in a file: set ${OFFSETS_FILE}=/path/of/connect.offsets`,
    });
  }
  return { openLog: memoryLogs(clock), openOffsets: offsetFileLog(file, clock) };
}

/** Takes all work for this worker, then creates the connectors. @throws connect.bad_worker_config that names the file */
export async function runAlone(
  herder: DistributedHerder,
  connectors: readonly StandaloneConnector[],
  onFatal: (error: Error) => void,
): Promise<void> {
  herder.join(
    new Alone({
      configured: () => herder.configured(),
      onAssigned: (work) => herder.onAssigned(work),
      onError: (error) => onFatal(toError(error)),
    }),
  );
  for (const { file, name, config, initialState } of connectors) {
    try {
      await herder.putConnector(
        name,
        { ...config, name },
        { allowReplace: false, ...(initialState === undefined ? {} : { initialState }) },
      );
    } catch (error) {
      const text = `The connector ${name} of ${file} cannot be created: ${messageOf(error)}`;
      throw connectError('connect.bad_worker_config', text, { hint: 'Correct the file and start again.' });
    }
  }
}
