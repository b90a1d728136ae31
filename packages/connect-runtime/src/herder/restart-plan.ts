// What a restart with parameters restarts, from the states there are.
import type { ConnectorStatus } from '@millrace/connect-api';
import type { RestartRequest } from './herder-api.ts';

export interface RestartPlan {
  readonly connector: boolean;
  readonly tasks: readonly number[];
  /** The status with everything that restarts shown as RESTARTING. */
  readonly shown: ConnectorStatus;
}

export function planRestart(status: ConnectorStatus, request: RestartRequest): RestartPlan {
  const restarts = (state: string): boolean => !request.onlyFailed || state === 'FAILED';
  const connector = restarts(status.connector.state);
  const tasks = request.includeTasks
    ? status.tasks.filter(({ state }) => restarts(state)).map(({ id }) => id)
    : [];
  return {
    connector,
    tasks,
    shown: {
      ...status,
      connector: connector ? { ...withoutTrace(status.connector), state: 'RESTARTING' } : status.connector,
      tasks: status.tasks.map((task) =>
        tasks.includes(task.id) ? { ...withoutTrace(task), state: 'RESTARTING' } : task,
      ),
    },
  };
}

function withoutTrace<T extends { readonly trace?: string }>(info: T): Omit<T, 'trace'> {
  const { trace: _trace, ...rest } = info;
  return rest;
}
