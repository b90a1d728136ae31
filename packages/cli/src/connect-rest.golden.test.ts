// Every recorded REST scenario of Connect 4.3.1 that needs no plug-in of a later release, against `millrace start`.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
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
  'connector-plugins': {
    default: 'has no MySQL, MariaDB and MongoDB connectors',
    'only-connectors': 'has no MySQL, MariaDB and MongoDB connectors',
    all: 'has no MySQL, MariaDB and MongoDB connectors',
    'bad-boolean': 'has no MySQL, MariaDB and MongoDB connectors',
  },
  'fail-source': {},
  'plugin-config': {},
  'plugin-config-2': {},
  'sink-bad-json-none': {},
  'sink-dlq-bad-json': {},
  'sink-dlq-plain': {},
  topics: {},
  'unknown-connector': {},
  'unknown-connector-2': {},
  'validate-converters': { 'json-ok': 'groups come in the order of the definition, not of a Java hash map' },
  'validate-file-source': { 'ok-full': 'recommends the converters that are there' },
  'validate-postgres-empty': { empty: 'recommends the converters that are there' },
  'validate-postgres-values': {},
  'validate-transforms': { 'ok-full': 'recommends the converters that are there' },
};

/** Steps of what was recorded besides, that differ on purpose, by scenario and step. */
const DIFFERENT: readonly RegExp[] = [
  // Several hosts are allowed.
  /^pg-\d+\/database\.hostname=a,b/,
  // The files are read before the connection is tried.
  /^pg-\d+\/database\.ssl(cert|rootcert|key)=/,
  // A post processor without a type is refused at once.
  /^pg-\d+\/post\.processors=/,
  // Java classes and the exceptions of their reflection.
  /^pg-\d+\/(transaction\.metadata\.factory|sourceinfo\.struct\.maker|signal\.data\.collection)=/,
];

interface Verified {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly output: string;
}

function scenarioFile(name: string): string {
  return goldenPath(`connect-rest/scenarios/${name}.json`);
}

async function verify(
  millrace: MillraceProcess,
  files: readonly string[],
  profile: string,
): Promise<Verified> {
  const args = [
    goldenPath('connect-rest/rest_golden.py'),
    'verify',
    '--url',
    millrace.rest,
    '--var',
    `bootstrap=${millrace.kafka}`,
    '--profile',
    profile,
    ...files,
  ];
  const { stdout } = await run('python3', args, { maxBuffer: 64 * 1024 * 1024 }).catch(
    (error: unknown) => error as { stdout: string },
  );
  const failures = [...stdout.matchAll(/^FAIL ([^/\s]+\/.+?) {2}/gm)].map(([, step]) => step ?? '');
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
    const { passed, failures, output } = await verify(millrace, [scenarioFile(scenario)], 'default');
    expect(passed, output).toBeGreaterThan(0);
    expect(
      failures.filter((step) => known[step.slice(scenario.length + 1)] === undefined),
      output,
    ).toEqual([]);
  });
});

describe('what was recorded besides the goldens', () => {
  const folder = fileURLToPath(new URL('../../../testdata/recorded/connect-rest', import.meta.url));
  const scenarios = readdirSync(folder).filter((name) => !name.endsWith('.golden.json'));
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace();
  });
  afterAll(async () => {
    await millrace[Symbol.asyncDispose]();
  });

  // One process for many scenarios; some at a time, since most of their time is waiting.
  const GROUPS = 8;
  it.concurrent.each(Array.from({ length: GROUPS }, (_, i) => i))(
    'group %i',
    { timeout: 240_000 },
    async (group) => {
      const files = scenarios.filter((_, i) => i % GROUPS === group).map((name) => path.join(folder, name));
      const { passed, failures, output } = await verify(millrace, files, 'default');
      expect(passed, output).toBeGreaterThan(files.length);
      expect(
        failures.filter((step) => !DIFFERENT.some((known) => known.test(step))),
        output,
      ).toEqual([]);
    },
  );
});

describe('client overrides under the policy Principal', () => {
  it('are refused as Connect refuses them', { timeout: 60_000 }, async () => {
    await using millrace = await startMillrace({
      properties: {
        'connector.client.config.override.policy': 'Principal',
        'topic.tracking.allow.reset': 'false',
      },
    });
    const { passed, failures, output } = await verify(
      millrace,
      [scenarioFile('override-policy-principal')],
      'principal',
    );
    expect(failures, output).toEqual([]);
    expect(passed).toBe(4);
  });
});
