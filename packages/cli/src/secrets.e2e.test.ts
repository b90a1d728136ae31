// F48, INV-11: what a config gets from a file of secrets is in no answer, log line, metric, topic or trace, also when
// everything that can go wrong with it does.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, runMillrace, startMillrace, testDatabase } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { connectorStatus, postgresSource, putConnector, redisSink } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const WRONG = 'Wr0ng-s3cret/with+signs=';

test('F48, INV-11: secrets of a file stay in it', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-secrets-'));
  await using database = await testDatabase();
  // A password that nothing else contains.
  const secret = `S3cret-${database.name}`;
  await database.query(`create role "${database.name}_r" login superuser password '${secret}'`);
  const file = path.join(folder, 'secrets.properties');
  writeFileSync(file, `right=${secret}\nwrong=${WRONG}\n`);
  await using millrace = await startMillrace({
    args: ['--log-level', 'trace'],
    properties: {
      'config.providers': 'file',
      'config.providers.file.class': 'org.apache.kafka.common.config.provider.FileConfigProvider',
      'task.restart.backoff.ms': '100',
    },
  });
  const answers: string[] = [];
  const ask = async (method: string, at: string, body?: object): Promise<void> => {
    answers.push(JSON.stringify(await millrace.request(method, at, body)));
  };
  try {
    await database.query(
      'create table note (id int primary key, text text); insert into note values (1, $$one$$)',
    );
    const config = {
      ...postgresSource(
        { ...database, user: `${database.name}_r`, password: `\${file:${file}:right}` },
        'kept',
        ['note'],
      ),
      'producer.override.sasl.jaas.config': '',
    };
    await putConnector(millrace, 'right', config);
    await eventually(
      'the row is there',
      async () => (await readTopic(millrace.kafka, 'kept.public.note')).length > 0,
    );
    const wrong = {
      ...config,
      'database.password': `\${file:${file}:wrong}`,
      'slot.name': `${database.name}_w`,
    };
    await ask('PUT', '/connectors/wrong/config', wrong);
    await ask('PUT', '/connector-plugins/PostgresConnector/config/validate', { ...wrong, name: 'wrong' });
    // The password changes while the connector runs: its task fails with it.
    await database.query(`alter role "${database.name}_r" password 'other'`);
    await ask('POST', '/connectors/right/restart?includeTasks=true');
    await eventually('it fails', async () => {
      const [task] = (await connectorStatus(millrace, 'right')).tasks;
      return task?.state === 'FAILED' && task.trace;
    });
    const url = `redis://user:${encodeURIComponent(WRONG)}@127.0.0.1:1/0`;
    const redis = redisSink({ url: `\${file:${file}:url}`, prefix: 'x' }, 'kept', ['note']);
    writeFileSync(file, `right=${secret}\nwrong=${WRONG}\nurl=${url}\n`);
    await ask('PUT', '/connectors/redis/config', redis);
    for (const name of ['right', 'wrong', 'redis']) {
      for (const what of ['', '/config', '/status', '/tasks', '/tasks-config', '/offsets', '/topics']) {
        await ask('GET', `/connectors/${name}${what}`);
      }
    }
    await ask('GET', '/connectors?expand=info&expand=status');
    for (const at of ['/metrics', '/health', '/health/ready', '/admin/loggers']) await ask('GET', at);
    const shown = await runMillrace(['describe', 'right', '--rest', millrace.rest.replace('http://', '')]);
    answers.push(shown.stdout, shown.stderr);
    await millrace.crash();
    await ask('GET', '/connectors?expand=info&expand=status');
    for (const topic of ['connect-configs', 'connect-offsets', 'connect-status', 'kept.public.note']) {
      const records = await readTopic(millrace.kafka, topic);
      answers.push(records.map(({ key, value }) => `${String(key)} ${String(value)}`).join('\n'));
    }
    const all = `${answers.join('\n')}\n${millrace.logs}`;
    expect(all).toContain('password authentication failed');
    expect(all).toContain(`\${file:${file}:right}`);
    for (const text of [secret, WRONG, encodeURIComponent(WRONG)]) {
      const at = all.indexOf(text);
      expect(at < 0 ? '' : all.slice(Math.max(0, at - 300), at + text.length + 100)).toBe('');
    }
  } finally {
    await millrace.request('DELETE', '/connectors/right').catch(() => undefined);
    await millrace.end('SIGTERM');
    await database.query(`drop role "${database.name}_r"`).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);
