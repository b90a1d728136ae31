// Change events as recorded from Debezium 3.6, the goldens and the cases besides them: each case runs its SQL on a database of its own through `millrace start`,
// and every record, offset and REST answer is compared. Standard runs take the cases named below, full runs all on the
// server version of the recordings, and on others those that also look at what servers may do in their own way.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { goldenPath, type MillraceProcess, pythonWith, recordedPath, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

/** The server version of the recordings. */
const RECORDED_ON = '15';

/** The cases of a standard run: one of each kind of behaviour. */
const STANDARD: readonly string[] = [
  'first-rows',
  'identity-default',
  'identity-full',
  'identity-index',
  'identity-nothing',
  'key-composite',
  'key-none',
  'key-none-default-identity',
  'key-types',
  'key-unique-index',
  'outbox',
  'pk-update',
  'predicates',
  'restart-config-change',
  'restart-pause',
  'restart-stop',
  'router-regex',
  'seed-like',
  'toast-text',
  'tombstones-off',
  'truncate-default',
  'type-floats',
  'type-integers',
  'type-numeric-precise',
  'type-text',
  'type-uuid-net',
  'unwrap',
];

/** What a run on another server version adds: catalogs, publications, slots, types. None depends on the version. */
const OTHER_SERVERS: readonly string[] = [
  'blocking-snapshot',
  'error-no-publication',
  'error-publication-conflict',
  'error-slot-active',
  'error-slot-missing',
  'generated-columns',
  'identity-autoset',
  'incremental',
  'inheritance',
  'message-logical',
  'offsets-rest',
  'partitions-root',
  'publication-all-tables',
  'publication-filtered',
  'schema-all-types',
  'schema-defaults',
  'server-settings',
  'slot-drop-on-stop',
  'snapshot-when-needed',
  'source-xmin',
  'toast-placeholder',
  'truncate',
  'type-composite',
  'type-enum-domain',
  'type-interval-string',
  'type-money',
  'type-ranges',
];

/** Cases with what Postgres 14 does not have: numerics of negative scale. */
const SINCE_15: readonly string[] = ['type-numeric-precise'];

/** What a standard run takes of the cases that were recorded besides the goldens. */
const STANDARD_BESIDES: readonly string[] = [
  'changed-headers',
  'chain-headers',
  'cloudevents-transaction',
  'converter-string-unwrap',
  'ddl-same-transaction',
  'errors-smt-fails',
  'identity-full-key-change',
  'incremental-insert-delete',
  'incremental-surrogate-key',
  'names-avro-unicode-avro-unicode',
  'nan-required-warn',
  'outbox-op-fatal',
  'schema-bytea-base64-url-safe',
  'signal-file',
  'signal-four-columns',
  'toast-everything-strings',
  'toast-required-smallints',
  'topic-of-dropped-record',
  'unwrap-add-after',
  'validate-words',
];

const full = process.env['MILLRACE_TEST_MODE'] === 'full';
const server = process.env['MILLRACE_TEST_POSTGRES'] ?? RECORDED_ON;

/** The cases of a folder that this run takes. */
function chosenOf(folder: string, standard: readonly string[], elsewhere: readonly string[]): string[] {
  if (server !== RECORDED_ON) return elsewhere.filter((name) => server !== '14' || !SINCE_15.includes(name));
  if (!full) return [...standard];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** What the verifier says of a case: the lines below it are the differences. */
interface Verdict {
  passed: boolean;
  skipped: string | undefined;
  lines: string[];
}

const goldens = goldenPath('cdc/postgres');
const besides = recordedPath('cdc-postgres');

describeCases(
  'recorded change events',
  goldens,
  chosenOf(goldens, STANDARD, [...STANDARD, ...OTHER_SERVERS]),
);
describeCases(
  'change events recorded besides the goldens',
  besides,
  chosenOf(besides, STANDARD_BESIDES, STANDARD_BESIDES),
);

function describeCases(title: string, folder: string, chosen: readonly string[]): void {
  describe(title, () => {
    let millrace: MillraceProcess;
    const verdicts = new Map<string, Verdict>();

    beforeAll(async () => {
      const python = await pythonWith(['confluent-kafka', 'psycopg2-binary']);
      millrace = await startMillrace();
      await verify({ python, millrace, folder, chosen }, verdicts);
    }, 5_400_000);
    afterAll(async () => {
      await millrace?.[Symbol.asyncDispose]();
    });

    for (const name of chosen) {
      it(name, (context) => {
        const verdict = verdicts.get(name);
        if (verdict?.skipped !== undefined) context.skip(verdict.skipped);
        expect(verdict, 'the verifier said nothing of this case').toBeDefined();
        expect(verdict?.lines ?? []).toEqual([]);
        expect(verdict?.passed).toBe(true);
      });
    }
  });
}

interface Verification {
  readonly python: string;
  readonly millrace: MillraceProcess;
  readonly folder: string;
  readonly chosen: readonly string[];
}

/** Runs the chosen cases of a folder one after the other and collects what is said of each. */
async function verify(
  { python, millrace, folder, chosen }: Verification,
  verdicts: Map<string, Verdict>,
): Promise<void> {
  const postgres = new URL(inject('postgresUrl'));
  postgres.pathname = '';
  const cases = chosen.map((name) => name.replaceAll('-', '[-]'));
  const args = [
    goldenPath('cdc/cdc_golden.py'),
    'verify',
    '--cases',
    folder,
    '--only',
    `^(${cases.join('|')})$`,
  ];
  args.push(
    '--connect',
    millrace.rest,
    '--bootstrap',
    millrace.kafka,
    '--pg',
    postgres.href.replace(/\/$/, ''),
  );
  const child = spawn(python, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  let current: Verdict | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const head = /^(ok {2}|FAIL|skip) ([\w-]+)(?::? ?(.*))$/.exec(line);
    if (head) {
      current = { passed: head[1] === 'ok  ', skipped: head[1] === 'skip' ? head[3] : undefined, lines: [] };
      if (head[1] === 'FAIL' && head[3] !== undefined && !head[3].startsWith('('))
        current.lines.push(head[3]);
      verdicts.set(head[2] ?? '', current);
    } else if (line.startsWith('     ')) current?.lines.push(line.trim());
  }
  if (verdicts.size === 0) throw new Error(`the verifier ran no case: ${errors}`);
}
