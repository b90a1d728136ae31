// The bundled broker on the data folder of a Millrace that is down: what is on its disk, without a worker that writes.
import type { ChildProcess } from 'node:child_process';
import { runMillrace } from '@millrace/testkit';

/**
 * Runs `use`, which is given its process id, while `millrace broker` serves the folder at `kafka`; clients have to wait
 * for it themselves.
 */
export async function withBrokerAlone<T>(
  dataDir: string,
  kafka: string,
  use: (pid: number) => Promise<T>,
): Promise<T> {
  let broker: ChildProcess | undefined;
  const ended = runMillrace(['broker', '--data', dataDir, '--kafka', kafka], {
    onStart: (child) => {
      broker = child;
    },
  });
  try {
    return await use(broker?.pid ?? 0);
  } finally {
    broker?.kill('SIGKILL');
    await ended;
  }
}
