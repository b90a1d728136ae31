// What tests of faults share: moments that nothing announces, what happens to workers then, and folders that are gone
// afterwards.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MillraceProcess, SeededRandom } from '@millrace/testkit';

/** A fault has to come at moments that nothing announces. */
export function moment(random: SeededRandom, fromMs: number, toMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random.int(fromMs, toMs)));
}

/** Kills, ends or holds a worker, which runs again afterwards. */
export async function disturb(worker: MillraceProcess, random: SeededRandom): Promise<void> {
  const how = random.pick(['SIGKILL', 'SIGTERM', 'SIGSTOP', 'SIGSTOP'] as const);
  if (how === 'SIGSTOP') {
    const pid = worker.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    // Around the session of 6 s, and around that and the delay of 3 s: others take its tasks meanwhile.
    await moment(random, 4000, 11_000);
    process.kill(pid, 'SIGCONT');
  } else {
    await worker.end(how);
    await moment(random, 0, 11_000);
    await worker.start();
  }
}

export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

export function temporaryFolder(): TemporaryFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-fault-'));
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
