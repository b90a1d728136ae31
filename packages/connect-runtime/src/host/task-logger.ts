// The logger of a task, named like the Java class that operators know.
import type { Logger, LogHub } from '@millrace/foundation';
import type { TaskSpec } from '../task/task-runner.ts';

/** Bound to connector and task; the same name in every thread. */
export function taskLogger(logHub: LogHub, spec: TaskSpec): Logger {
  const kind = spec.kind === 'source' ? 'WorkerSourceTask' : 'WorkerSinkTask';
  return logHub.logger(`org.apache.kafka.connect.runtime.${kind}`, {
    connector: spec.connector,
    task: spec.task,
  });
}
