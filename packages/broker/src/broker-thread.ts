// Runs the broker in a worker thread of its own, so that its loop serves clients whatever the main thread does. The
// thread's entry is thread.ts; log lines and a crash come back as messages.
import { randomBytes } from 'node:crypto';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type Logger, silentLogger } from '@millrace/foundation';
import type { HandOverEnd } from '@millrace/kafka-protocol';
import type { BrokerHandle, BrokerOptions } from './broker.ts';
import { brokerError, reviveError, type WireError } from './errors.ts';

/** What the thread is started with. */
export interface ThreadData {
  readonly options: BrokerOptions;
  readonly logLevel: string;
}

/** What the thread says. */
export type ThreadMessage =
  | ({ readonly type: 'ready' } & Pick<BrokerHandle, 'host' | 'port' | 'clusterId' | 'listeners' | 'inside'>)
  | { readonly type: 'failed'; readonly error: WireError }
  | { readonly type: 'closed' }
  | { readonly type: 'metrics'; readonly text: string }
  | {
      readonly type: 'log';
      readonly level: ThreadLogLevel;
      readonly fields: object;
      readonly message: string;
    };

/** What the thread is told. */
export type ThreadRequest =
  | { readonly type: 'metrics' | 'close' }
  | { readonly type: 'share-records'; readonly secret: string; readonly port: MessagePort };

export type ThreadLogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug';

/** A broker in a thread. */
export interface BrokerThreadHandle extends Omit<BrokerHandle, 'shareRecords'> {
  /** Makes a way for another thread of this process to hand over records. */
  shareRecords(): HandOverEnd;
  /** Resolves with the reason when the thread ends without having been asked to; never rejects. */
  readonly crashed: Promise<Error>;
}

export interface BrokerThreadParts {
  readonly logger?: Logger;
}

/**
 * Starts a broker in a thread of its own.
 *
 * @throws what startBroker throws, and broker.thread_failed
 */
export async function startBrokerThread(
  options: BrokerOptions & BrokerThreadParts,
): Promise<BrokerThreadHandle> {
  const { logger = silentLogger, ...brokerOptions } = options;
  const workerData: ThreadData = { options: brokerOptions, logLevel: logger.level };
  const worker = new Worker(new URL('../dist/thread.js', import.meta.url), { workerData, execArgv: [] });
  const tell = (request: ThreadRequest, transfer: readonly MessagePort[] = []): void =>
    worker.postMessage(request, [...transfer]);
  let stopped = false;
  let reportCrash: (error: Error) => void = () => undefined;
  const crashed = new Promise<Error>((resolve) => {
    reportCrash = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      if (!stopped)
        reportCrash(brokerError('broker.thread_failed', `The broker's thread ended with code ${code}.`));
      resolve();
    });
  });
  worker.on('error', (error) => {
    reportCrash(brokerError('broker.thread_failed', 'The broker stopped unexpectedly.', {}, error));
  });
  /** Those who wait for metrics, in order; answers come in the order of the questions. */
  const asked: ((text: string) => void)[] = [];
  const ready = new Promise<Extract<ThreadMessage, { type: 'ready' }>>((resolve, reject) => {
    worker.on('message', (message: ThreadMessage) => {
      if (message.type === 'ready') resolve(message);
      else if (message.type === 'failed') reject(reviveError(message.error));
      else if (message.type === 'metrics') asked.shift()?.(message.text);
      else if (message.type === 'log') logger[message.level](message.fields, message.message);
    });
    crashed.then(reject, reject);
  });
  try {
    const { type: _, ...facts } = await ready;
    const close = async (): Promise<void> => {
      if (!stopped) tell({ type: 'close' });
      stopped = true;
      await ended;
    };
    const metrics = async (): Promise<string> => {
      if (stopped) return '';
      const answer = new Promise<string>((resolve) => {
        asked.push(resolve);
      });
      tell({ type: 'metrics' });
      return Promise.race([answer, ended.then(() => '')]);
    };
    const shareRecords = (): HandOverEnd => {
      const secret = randomBytes(16).toString('hex');
      const { port1, port2 } = new MessageChannel();
      tell({ type: 'share-records', secret, port: port1 }, [port1]);
      return { address: facts.inside['bootstrap.servers'] ?? '', secret, port: port2 };
    };
    return { ...facts, crashed, metrics, shareRecords, close };
  } catch (error) {
    stopped = true;
    await worker.terminate();
    throw error;
  }
}
