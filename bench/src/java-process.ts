// The programs that Millrace stands in for, started as their own scripts do: a Kafka of one node, and a Connect worker
// with Debezium's Postgres connector.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@millrace/local-servers';
import { neededConnect, neededKafka } from './needs.ts';

const run = promisify(execFile);
const CLUSTER_ID = 'AAAAAAAAQACAAAAAAAAAAQ';
const START_WITHIN_MS = 120_000;
/** What Kafka's own start script gives a JVM besides its heap. */
const SERVER_FLAGS = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:+ExplicitGCInvokesConcurrent',
];
const LOG = ['-Dorg.slf4j.simpleLogger.logFile=System.out', '-Dorg.slf4j.simpleLogger.defaultLogLevel=info'];

/** A JVM that says in its log when it is ready. */
class JavaProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(args: readonly string[]) {
    this.#child = spawn('java', [...SERVER_FLAGS, ...LOG, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when a line of its log matches. */
  ready(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      let last = '';
      const fail = (why: string): void => {
        this.#child.kill('SIGKILL');
        reject(new Error(`java ${why}:\n${last}`));
      };
      const timer = setTimeout(() => fail('was not ready in time'), START_WITHIN_MS);
      this.#child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
      const read = (chunk: Buffer): void => {
        last = `${last}${chunk.toString()}`.slice(-4000);
        if (!pattern.test(last)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#child.stdout?.on('data', read);
      this.#child.stderr?.on('data', read);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A program under load: where it answers, and the processes it is made of. */
export interface Rival extends AsyncDisposable {
  readonly address: string;
  readonly pid: number;
  /** From its start to its first answer. */
  readonly startSeconds: number;
}

function writeProperties(file: string, properties: Readonly<Record<string, string>>): void {
  writeFileSync(
    file,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
}

/** Kafka on an empty folder, with the heap its start script gives it. */
export async function startKafka(folder: string): Promise<Rival> {
  const classPath = await neededKafka();
  const [port, controllerPort] = [await freePort(), await freePort()];
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'kafka.properties');
  writeProperties(file, {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'log.dirs': path.join(folder, 'log'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  });
  await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', file]);
  const began = performance.now();
  const java = new JavaProcess(['-Xmx1G', '-Xms1G', '-cp', classPath, 'kafka.Kafka', file]);
  await java.ready(/Kafka Server started/);
  return {
    address: `127.0.0.1:${port}`,
    pid: java.pid,
    startSeconds: (performance.now() - began) / 1000,
    [Symbol.asyncDispose]: () => java[Symbol.asyncDispose](),
  };
}

/** A Connect worker with Debezium on a Kafka; `address` is its REST address. */
export async function startConnect(folder: string, kafka: string): Promise<Rival> {
  const { classPath, plugins } = await neededConnect();
  const port = await freePort();
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'worker.properties');
  const json = 'org.apache.kafka.connect.json.JsonConverter';
  writeProperties(file, {
    'bootstrap.servers': kafka,
    'group.id': 'connect-cluster',
    'key.converter': json,
    'value.converter': json,
    'key.converter.schemas.enable': 'false',
    'value.converter.schemas.enable': 'false',
    'offset.storage.topic': 'connect-offsets',
    'config.storage.topic': 'connect-configs',
    'status.storage.topic': 'connect-status',
    'offset.storage.replication.factor': '1',
    'config.storage.replication.factor': '1',
    'status.storage.replication.factor': '1',
    listeners: `http://127.0.0.1:${port}`,
    'plugin.path': plugins,
  });
  const began = performance.now();
  const java = new JavaProcess([
    '-Xms256M',
    '-Xmx2G',
    '-cp',
    classPath,
    'org.apache.kafka.connect.cli.ConnectDistributed',
    file,
  ]);
  await java.ready(/Finished starting connectors and tasks/);
  return {
    address: `http://127.0.0.1:${port}`,
    pid: java.pid,
    startSeconds: (performance.now() - began) / 1000,
    [Symbol.asyncDispose]: () => java[Symbol.asyncDispose](),
  };
}
