// Entry of the broker's worker thread; see broker-thread.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { collectWhenQuiet } from '@millrace/foundation';
import { startBroker } from './broker.ts';
import type { ThreadData, ThreadMessage, ThreadRequest } from './broker-thread.ts';
import { wireError } from './errors.ts';
import { type DestinationLine, threadLogger } from './thread-logger.ts';

const port = parentPort;
if (!port) throw new Error('thread.ts runs in a worker thread only');
const post = (message: ThreadMessage): void => port.postMessage(message);
const { options, logLevel } = workerData as ThreadData;
const logger = threadLogger(logLevel, (line: DestinationLine) => post({ type: 'log', ...line }));

try {
  const broker = await startBroker({ ...options, logger });
  port.on('message', (message: ThreadRequest) => {
    if (message.type === 'metrics') {
      void broker.metrics().then((text) => post({ type: 'metrics', text }));
      return;
    }
    if (message.type === 'share-records') {
      broker.shareRecords(message.secret, message.port);
      return;
    }
    void broker
      .close()
      .then(() => post({ type: 'closed' }))
      .catch((error: unknown) => post({ type: 'failed', error: wireError(error) }))
      .finally(() => port.close());
  });
  collectWhenQuiet();
  const { clusterId, listeners, inside } = broker;
  post({ type: 'ready', host: broker.host, port: broker.port, clusterId, listeners, inside });
} catch (error) {
  post({ type: 'failed', error: wireError(error) });
  port.close();
}
