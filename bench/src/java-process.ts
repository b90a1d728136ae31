// The programs that Millrace stands in for, started as their own scripts do: a Kafka of one node, and a Connect worker
// with Debezium's Postgres connector.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { freePort } from '@millrace/local-servers';
import { connectProperties, kafkaProperties, writeProperties } from '@millrace/testkit';
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

/** Kafka on an empty folder, with the heap its start script gives it. */
export async function startKafka(folder: string): Promise<Rival> {
  const classPath = await neededKafka();
  const [port, controllerPort] = [await freePort(), await freePort()];
  const properties = kafkaProperties(folder, port, controllerPort);
  const file = writeProperties(folder, 'kafka.properties', properties);
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
  const address = `http://127.0.0.1:${await freePort()}`;
  const properties = connectProperties(kafka, address, plugins);
  const file = writeProperties(folder, 'worker.properties', properties);
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
    address,
    pid: java.pid,
    startSeconds: (performance.now() - began) / 1000,
    [Symbol.asyncDispose]: () => java[Symbol.asyncDispose](),
  };
}
