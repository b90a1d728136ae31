// A real Kafka, and the jars of a real Connect worker, for the tests of a file: failed for in CI where they cannot be had,
// a named skip elsewhere.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectWithDebezium, RealKafka } from '@millrace/testkit';
import { afterAll, beforeAll, type TestContext } from 'vitest';

/** Starts it before the tests of the file and removes all that is in `folder` after them. */
export function realKafka(name: string): {
  readonly folder: string;
  /** `HOST:PORT`; skips the test where there is none. */
  readonly kafkaOf: (context: TestContext) => string;
} {
  const folder = mkdtempSync(path.join(tmpdir(), `millrace-${name}-`));
  let kafka: RealKafka | undefined;
  let cannot: string | undefined;
  beforeAll(async () => {
    try {
      await connectWithDebezium();
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      cannot = `Connect cannot be had: ${String(error).slice(0, 300)}`;
      return;
    }
    kafka = await RealKafka.start(path.join(folder, 'kafka'));
  }, 300_000);
  afterAll(async () => {
    await kafka?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    kafkaOf: (context) => {
      if (!kafka) context.skip(cannot);
      return `127.0.0.1:${kafka?.port}`;
    },
  };
}
