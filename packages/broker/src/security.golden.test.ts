// The recorded behaviour of a secured Kafka: SASL, TLS, access rules.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { GOLDENS, replay, testGoldens } from './testing/replay.ts';
import { SECURED } from './testing/secured-properties.ts';
import { startTestBroker } from './testing/test-broker.ts';

/** Asks for quotas, besides what acl-matrix.broker.test.ts shows. */
const NOT_SERVED = ['security.acl-cluster'];

const ids = readFileSync(`${GOLDENS}security.jsonl`, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => (JSON.parse(line) as { id: string }).id)
  .filter((id) => !NOT_SERVED.includes(id));

testGoldens(`Recorded scenarios of a secured broker pass (${ids.length})`, async () => {
  await using broker = await startTestBroker(SECURED);
  const { code, output } = await replay({
    file: 'security.jsonl',
    listeners: {
      bootstrap: `127.0.0.1:${broker.port('PLAINTEXT')}`,
      sasl: `127.0.0.1:${broker.port('SASL_PLAINTEXT')}`,
      ssl: `127.0.0.1:${broker.port('SSL')}`,
    },
    ids,
    jobs: 4,
  });
  expect(ids).toHaveLength(29);
  expect(output.trimEnd().split('\n').at(-1), output).toBe('29 passed, 0 failed');
  expect(code).toBe(0);
});
