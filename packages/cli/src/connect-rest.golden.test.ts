// Every recorded REST scenario of Connect 4.3.1 that needs no plug-in of a later release, against `millrace start`.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { goldenPath, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** Scenarios, each with the steps that differ on purpose or for want of a plug-in, and why. */
const SCENARIOS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  root: {},
  'http-edges': {
    'double-slash': 'our error page is JSON, not Jetty’s HTML',
    'encoded-slash': 'our error page is JSON, not Jetty’s HTML',
    'slash-plugins': 'lists MySQL, MariaDB, MongoDB and JDBC connectors',
  },
  create: {},
  'create-errors': {},
  'create-sink': {},
  expand: {},
  'expand-states': {},
  'initial-state': {},
  lifecycle: {},
  loggers: {},
  'offsets-sink': {},
  'offsets-sink-errors': {},
  'offsets-source': {},
  'patch-config': {},
  'producer-override': {},
  'put-config': {},
  restart: {},
  secrets: {},
  'sink-bad-json-none': {
    status: 'the innermost cause is our JSON parser’s, not Jackson’s',
    task: 'the innermost cause is our JSON parser’s, not Jackson’s',
  },
  'sink-dlq-bad-json': {},
  'sink-dlq-plain': {},
  topics: {},
  'unknown-connector': {},
  'unknown-connector-2': {},
  'validate-converters': { 'json-ok': 'groups come in the order of the definition, not of a Java hash map' },
  'validate-file-source': { 'ok-full': 'recommends the converters that are there' },
  'validate-postgres-values': {},
};

interface Verified {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly output: string;
}

async function verify(millrace: MillraceProcess, scenario: string, profile: string): Promise<Verified> {
  const args = [
    goldenPath('connect-rest/rest_golden.py'),
    'verify',
    '--url',
    millrace.rest,
    '--var',
    `bootstrap=${millrace.kafka}`,
    '--profile',
    profile,
    goldenPath(`connect-rest/scenarios/${scenario}.json`),
  ];
  const { stdout } = await run('python3', args).catch((error: unknown) => error as { stdout: string });
  const failures = [...stdout.matchAll(/^FAIL [^/\s]+\/(\S+)/gm)].map(([, step]) => step ?? '');
  return { passed: Number(/(\d+) passed/.exec(stdout)?.[1] ?? 0), failures, output: stdout };
}

describe('the REST API answers as Kafka Connect 4.3.1', () => {
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace();
  });
  afterAll(async () => {
    await millrace[Symbol.asyncDispose]();
  });

  it.each(Object.entries(SCENARIOS))('scenario %s', { timeout: 120_000 }, async (scenario, known) => {
    const { passed, failures, output } = await verify(millrace, scenario, 'default');
    expect(passed, output).toBeGreaterThan(0);
    expect(
      failures.filter((step) => known[step] === undefined),
      output,
    ).toEqual([]);
  });
});

describe('client overrides under the policy Principal', () => {
  it('are refused as Connect refuses them', { timeout: 60_000 }, async () => {
    await using millrace = await startMillrace({
      properties: {
        'connector.client.config.override.policy': 'Principal',
        'topic.tracking.allow.reset': 'false',
      },
    });
    const { passed, failures, output } = await verify(millrace, 'override-policy-principal', 'principal');
    expect(failures, output).toEqual([]);
    expect(passed).toBe(4);
  });
});
