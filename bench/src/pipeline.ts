// A Postgres with the bench's table, a Millrace beside it, and the question how far the topic is.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { type RawConfig, silentLogger, systemClock } from '@millrace/foundation';
import { Cluster, listOffsets } from '@millrace/kafka-client';
import { type PostgresServer, startPostgres } from '@millrace/local-servers';
import { type MillraceProcess, startMillrace } from '@millrace/testkit/millrace-process';
import pg from 'pg';

const run = promisify(execFile);
export const TOPIC = 'bench.public.t';

/** The folder of a system's Postgres that has `pg_recvlogical`: the baseline is no part of the npm packages. */
export function systemPostgres(): string {
  const folders = [process.env['PG_BIN'] ?? '', '/usr/bin', '/usr/local/bin'];
  const debian = '/usr/lib/postgresql';
  if (existsSync(debian))
    for (const version of readdirSync(debian).sort().reverse())
      folders.unshift(path.join(debian, version, 'bin'));
  const found = folders.find(
    (folder) => existsSync(path.join(folder, 'pg_recvlogical')) && existsSync(path.join(folder, 'postgres')),
  );
  if (found === undefined)
    throw new Error('This bench needs a Postgres server with pg_recvlogical: install one, or set PG_BIN.');
  return found;
}

/** Rows of about 200 bytes: a key, numbers, texts, a timestamp, a decimal, a boolean. */
export const CREATE =
  'create table t (id bigint primary key, a int, b int, c text, d text, e timestamptz, f numeric(12,2), g boolean)';
export const ROW =
  "i, i % 1000, i % 77, repeat('x', 40) || i, md5(i::text) || md5((i + 1)::text), now(), (i % 100000) / 100.0, i % 2 = 0";

export class Pipeline implements AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly millrace: MillraceProcess;
  readonly cluster: Cluster;
  readonly #client: pg.Client;
  readonly #binDir: string;

  private constructor(
    postgres: PostgresServer,
    millrace: MillraceProcess,
    client: pg.Client,
    binDir: string,
  ) {
    this.postgres = postgres;
    this.millrace = millrace;
    this.#client = client;
    this.#binDir = binDir;
    this.cluster = new Cluster({
      bootstrapServers: millrace.kafka,
      clientId: 'bench',
      logger: silentLogger,
      clock: systemClock,
      // Asking for the end of a topic that is not there yet is to answer soon, not to wait for the topic.
      defaultApiTimeoutMs: 200,
    });
  }

  static async start(brokerProperties: Readonly<Record<string, string>> = {}): Promise<Pipeline> {
    const binDir = systemPostgres();
    const postgres = await startPostgres({
      binDir,
      settings: { max_wal_size: '8GB', checkpoint_timeout: '1h' },
    });
    const client = new pg.Client({ connectionString: postgres.url() });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(CREATE);
    await client.query('create publication bench for table t');
    const millrace = await startMillrace({
      brokerProperties: (kafka) => ({ listeners: `PLAINTEXT://${kafka}`, ...brokerProperties }),
    });
    return new Pipeline(postgres, millrace, client, binDir);
  }

  get pid(): number {
    return this.millrace.pid ?? 0;
  }

  async sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    const result = await this.#client.query<Record<string, unknown>>(text, values);
    return result.rows;
  }

  /** Inserts rows `first` to `last` in one transaction. */
  async insertMany(first: number, last: number): Promise<void> {
    await this.sql(
      `insert into t select ${ROW} from generate_series(${first}::bigint, ${last}::bigint) as i`,
    );
  }

  /** Inserts rows one transaction each, on the server. */
  async insertEach(first: number, last: number): Promise<void> {
    await this.sql('set synchronous_commit = off');
    await this.sql(
      `do $$ begin for i in ${first}..${last} loop insert into t select ${ROW}; commit; end loop; end $$`,
    );
    await this.sql('set synchronous_commit = on');
  }

  async createSlot(name: string): Promise<void> {
    await this.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  }
  async copySlot(from: string, to: string): Promise<void> {
    await this.sql('select pg_copy_logical_replication_slot($1, $2)', [from, to]);
  }
  async dropSlot(name: string): Promise<void> {
    await this.sql('select pg_drop_replication_slot($1)', [name]);
  }

  /** Drains a slot to nowhere with pg_recvlogical. */
  async receive(slot: string): Promise<void> {
    const [row] = await this.sql('select pg_current_wal_flush_lsn()::text as lsn');
    const options = ['-o', 'proto_version=1', '-o', 'publication_names=bench'];
    const end = ['-f', '/dev/null', '--endpos', String(row?.['lsn']), '--no-loop'];
    await this.#runProgram('pg_recvlogical', ['--slot', slot, '--start', ...options, ...end]);
  }

  /** Drains the table to nowhere with COPY. */
  async copyOut(): Promise<void> {
    await this.#runProgram('psql', ['-c', '\\copy t to /dev/null']);
  }

  /** Runs a client program of Postgres against the server. */
  async #runProgram(program: string, args: readonly string[]): Promise<void> {
    const { host, port, user, password } = this.postgres;
    const server = ['-h', host, '-p', String(port), '-U', user, '-d', 'postgres'];
    await run(path.join(this.#binDir, program), [...server, ...args], {
      env: { ...process.env, PGPASSWORD: password },
    });
  }

  /** Posts the connector; `more` goes over what it has by default. */
  async startConnector(
    name: string,
    slot: string,
    snapshot: 'initial' | 'no_data',
    more: RawConfig = {},
  ): Promise<void> {
    const { host, port, user, password } = this.postgres;
    const config = {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'database.hostname': host,
      'database.port': String(port),
      'database.user': user,
      'database.password': password,
      'database.dbname': 'postgres',
      'topic.prefix': 'bench',
      'plugin.name': 'pgoutput',
      'slot.name': slot,
      'publication.name': 'bench',
      'publication.autocreate.mode': 'disabled',
      'table.include.list': 'public.t',
      'snapshot.mode': snapshot,
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'key.converter.schemas.enable': 'false',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter.schemas.enable': 'false',
      ...more,
    };
    const answer = await this.millrace.request('PUT', `/connectors/${name}/config`, config);
    if (answer.status !== 201)
      throw new Error(`the worker answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }

  async deleteConnector(name: string): Promise<void> {
    await this.millrace.request('PUT', `/connectors/${name}/stop`);
    for (;;) {
      const { body } = await this.millrace.request('GET', `/connectors/${name}/status`);
      const status = body as { connector?: { state?: string }; tasks?: unknown[] };
      if (status.connector?.state === 'STOPPED' && status.tasks?.length === 0) break;
      await systemClock.sleep(20);
    }
    await this.millrace.request('DELETE', `/connectors/${name}/offsets`);
    await this.millrace.request('DELETE', `/connectors/${name}`);
  }

  /** The durable end of the topic: what a consumer could read; 0 while there is no topic. */
  async end(topic: string = TOPIC): Promise<number> {
    try {
      const [found] = await listOffsets(this.cluster, [{ topic, partition: 0 }], 'latest');
      return found?.offset ?? 0;
    } catch {
      return 0;
    }
  }

  async waitForEnd(offset: number, topic: string = TOPIC): Promise<void> {
    const deadline = Date.now() + 600_000;
    while ((await this.end(topic)) < offset) {
      if (Date.now() > deadline)
        throw new Error(`${topic} ends at ${await this.end(topic)}, not at ${offset}`);
      // Asking costs CPU on the machine that is measured.
      await systemClock.sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.close();
    await this.#client.end();
    await this.millrace[Symbol.asyncDispose]();
    await this.postgres[Symbol.asyncDispose]();
  }
}
