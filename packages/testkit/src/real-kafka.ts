// A real Kafka of one node, out of its own jars: writes the folders that our broker starts on.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { freePort } from '@millrace/local-servers';
import { kafkaClassPath } from './foreign.ts';
import { kafkaProperties, writeProperties } from './java-properties.ts';

const run = promisify(execFile);
const CLUSTER_ID = 'AAAAAAAAQACAAAAAAAAAAQ';
const STARTED = /Kafka Server started/;
const START_WITHIN_MS = 60_000;
const LOG_TO_STDOUT = [
  '-Dorg.slf4j.simpleLogger.logFile=System.out',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
];

export class RealKafka implements AsyncDisposable {
  readonly port: number;
  readonly #args: readonly string[];
  #child: ChildProcess;

  private constructor(args: readonly string[], child: ChildProcess, port: number) {
    this.#args = args;
    this.#child = child;
    this.port = port;
  }

  /**
   * Starts it on `folder`, where its partitions are in `log`; formats that at the first start.
   *
   * @throws without Java 17 or Maven, and with the end of its output when it does not start
   */
  static async start(folder: string, settings: Readonly<Record<string, string>> = {}): Promise<RealKafka> {
    const classPath = await kafkaClassPath();
    const [port, controllerPort] = [await freePort(), await freePort()];
    const properties = { ...kafkaProperties(folder, port, controllerPort), ...settings };
    const file = writeProperties(folder, 'kafka.properties', properties);
    const format = ['format', '--ignore-formatted', '-t', CLUSTER_ID, '-c', file];
    await run('java', ['-cp', classPath, 'kafka.tools.StorageTool', ...format]);
    const jvm = ['-Xmx512m', '-XX:TieredStopAtLevel=1', ...LOG_TO_STDOUT, '-cp', classPath];
    const args = [...jvm, 'kafka.Kafka', file];
    return new RealKafka(args, await launch(args), port);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** A new start on the same port and folder, after `stop` or `kill`. */
  async startAgain(): Promise<void> {
    this.#child = await launch(this.#args);
  }

  /** A clean shutdown. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill(signal);
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function launch(args: readonly string[]): Promise<ChildProcess> {
  const child = spawn('java', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await started(child);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return child;
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = '';
    const failed = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`Kafka ${why}:\n${last}`));
    };
    const timer = setTimeout(() => failed(`did not start within ${START_WITHIN_MS} ms`), START_WITHIN_MS);
    child.once('exit', (code) => failed(`ended with ${code}`));
    // Read to the end of its life: a full pipe would hold it up.
    child.stdout?.on('data', (chunk: Buffer) => {
      last = `${last}${chunk.toString('utf8')}`.slice(-4000);
      if (!STARTED.test(last)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Free at the moment. */
