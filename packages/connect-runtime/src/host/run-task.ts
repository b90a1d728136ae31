// Runs one task in this thread from its spec to its end, whatever kind it is.
import { javaTrace, messageOf, policyOf, toError } from '@millrace/foundation';
import { TaskMeters } from '../metrics/task-meters.ts';
import { createTaskRunner } from '../task/create-task-runner.ts';
import type { TaskEnvironment, TaskRunner, TaskSpec } from '../task/task-runner.ts';
import type { HostedTask, TaskListener } from './task-host.ts';

/** Starts a task; what it needs is made on the way, so a wrong config is a failure of the task. */
export function runTask(spec: TaskSpec, environment: TaskEnvironment, listener: TaskListener): HostedTask {
  return new LocalTask(spec, environment, listener);
}

class LocalTask implements HostedTask {
  readonly #spec: TaskSpec;
  readonly #environment: TaskEnvironment;
  readonly #ended: Promise<void>;
  readonly #meters: TaskMeters;
  #runner: TaskRunner | undefined;
  #paused: boolean;
  #stopping = false;

  constructor(spec: TaskSpec, environment: TaskEnvironment, listener: TaskListener) {
    this.#spec = spec;
    this.#environment = environment;
    this.#paused = spec.paused;
    this.#meters = new TaskMeters(spec, environment);
    this.#ended = this.#run(listener);
  }

  pause(): void {
    this.#paused = true;
    this.#runner?.pause();
  }
  resume(): void {
    this.#paused = false;
    this.#runner?.resume();
  }
  forgetTopics(): void {
    this.#runner?.forgetTopics();
  }

  async stop(): Promise<void> {
    await this.#stop();
    this.#meters.hide();
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    this.#runner?.stop();
    const { clock, logger } = this.#environment;
    const done = new AbortController();
    const { stopTimeoutMs, flushTimeoutMs } = this.#spec.settings;
    const timeout = clock.sleep(stopTimeoutMs + flushTimeoutMs, done.signal).then(() => 'timeout' as const);
    const outcome = await Promise.race([this.#ended, timeout]);
    done.abort();
    if (outcome !== 'timeout') return;
    logger.error(
      'the task did not stop in time and is cut off; what it waits for may go on in the background',
    );
    await this.#runner?.kill();
  }

  async #run(listener: TaskListener): Promise<void> {
    const { logger } = this.#environment;
    const environment = { ...this.#environment, meters: this.#meters };
    try {
      const runner = await createTaskRunner({ ...this.#spec, paused: this.#paused }, environment, {
        onState: (state, trace) => {
          if (!this.#stopping) listener.onState(state, trace);
        },
        onTopic: (topic) => listener.onTopic(topic),
        readOffset: (partition) => listener.readOffset(partition),
        storeOffsets: (offsets) => listener.storeOffsets(offsets),
        fenceOthers: () => listener.fenceOthers(),
        confirmStart: () => listener.confirmStart(),
      });
      this.#runner = runner;
      if (this.#stopping) runner.stop();
      if (this.#paused) runner.pause();
      else runner.resume();
      await runner.run();
    } catch (error) {
      logger.error({ err: toError(error) }, 'the task failed');
      if (!this.#stopping) {
        const failure = { message: messageOf(error), trace: javaTrace(error), policy: policyOf(error) };
        listener.onFailed(this.#runner === undefined ? { ...failure, neverMade: true } : failure);
      }
    }
  }
}
