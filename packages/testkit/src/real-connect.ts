// A real Kafka Connect worker with Debezium's Postgres connector, out of its own jars.
import { type ChildProcess, spawn } from 'node:child_process';
import { freePort } from '@millrace/local-servers';
import { connectWithDebezium } from './foreign.ts';
import { connectProperties, writeProperties } from './java-properties.ts';
import { type RestAnswer, type RestSubject, restRequest } from './rest-request.ts';
import { eventually } from './waiting.ts';

const START_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 30_000;

/** Stops and starts again on the same port and with the same settings. */
export class RealConnect implements AsyncDisposable, RestSubject {
  /** `http://HOST:PORT`. */
  readonly rest: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(rest: string, args: readonly string[]) {
    this.rest = rest;
    this.#args = args;
  }

  /**
   * Starts it on a Kafka, with JSON converters without schemas and with `properties` besides; its settings are kept in
   * `folder`. With `standalone`, files of connectors, it has no group, and `properties` name its offset file.
   *
   * @throws without Java 17 or Maven, and with the end of its output when it does not start
   */
  static async start(
    folder: string,
    bootstrapServers: string,
    properties: Readonly<Record<string, string>> = {},
    standalone?: readonly string[],
  ): Promise<RealConnect> {
    const { classPath, plugins } = await connectWithDebezium();
    const rest = `http://127.0.0.1:${await freePort()}`;
    const file = writeProperties(folder, 'connect.properties', {
      ...connectProperties(bootstrapServers, rest, plugins),
      'offset.flush.interval.ms': '1000',
      ...properties,
    });
    const log = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
    const main = `org.apache.kafka.connect.cli.Connect${standalone ? 'Standalone' : 'Distributed'}`;
    const worker = new RealConnect(rest, [
      '-Xmx768m',
      '-cp',
      classPath,
      log,
      main,
      file,
      ...(standalone ?? []),
    ]);
    await worker.start();
    return worker;
  }

  /** The end of what it printed. */
  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const child = spawn('java', this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const note = (chunk: Buffer): void => {
      this.#log = (this.#log + chunk.toString()).slice(-100_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    this.#child = child;
    try {
      await eventually('the worker answers', () => this.#answers(child), START_WITHIN_MS);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async #answers(child: ChildProcess): Promise<boolean> {
    if (child.exitCode !== null) throw new Error(this.#log.slice(-4000));
    return (await this.request('GET', '/connectors')).status === 200;
  }

  /** A clean shutdown, killed when that takes too long; or the end by another signal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }

  request(method: string, pathname: string, body?: unknown): Promise<RestAnswer> {
    return restRequest(this.rest, method, pathname, body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
