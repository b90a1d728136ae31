// Programs in other languages: Java with Maven, Go with its modules, other npm packages than the workspace has.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installedFolder } from './installed.ts';
import type { CommandResult } from './millrace-command.ts';

const run = promisify(execFile);
const INSTALL_WITHIN_MS = 300_000;
const LOG_ERRORS = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
const DEBEZIUM = '3.6.2.Final';
const javaFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), '../java');

/** The class path of Kafka's Java clients and tools, as `java -cp` takes it. @throws without Java 17 or Maven */
export async function kafkaClassPath(): Promise<string> {
  return path.join(await mavenFolder('pom.xml'), 'libs/*');
}

/** The class path of a Kafka Streams application. @throws as above */
export async function streamsClassPath(): Promise<string> {
  return path.join(await mavenFolder('streams-pom.xml'), 'libs/*');
}

/** A Kafka Connect worker: its class path, and a plug-in folder with Debezium's Postgres connector. @throws as above */
export async function connectWithDebezium(): Promise<{ classPath: string; plugins: string }> {
  const folder = await mavenFolder('connect-pom.xml');
  const artifact = `io.debezium:debezium-connector-postgres:${DEBEZIUM}:tar.gz:plugin`;
  const plugins = await installedFolder('debezium', artifact, async (target) => {
    const args = ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${target}`];
    await run('mvn', args, { timeout: INSTALL_WITHIN_MS });
    await run('tar', ['xzf', `debezium-connector-postgres-${DEBEZIUM}-plugin.tar.gz`], { cwd: target });
  });
  return { classPath: path.join(folder, 'libs/*'), plugins };
}

async function mavenFolder(pom: string): Promise<string> {
  await run('java', ['-version']);
  const file = path.join(javaFolder, pom);
  return installedFolder('java', readFileSync(file, 'utf8'), async (target) => {
    copyFileSync(file, path.join(target, 'pom.xml'));
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'];
    await run('mvn', args, { cwd: target, timeout: INSTALL_WITHIN_MS });
  });
}

/** The arguments of `java` that run a single-file program with this class path, compiled once. @throws without a JDK */
export async function javaProgram(source: string, classPath: string): Promise<readonly string[]> {
  const content = `${classPath}\n${readFileSync(source, 'utf8')}`;
  const folder = await installedFolder('java-program', content, async (target) => {
    await run('javac', ['-cp', classPath, '-d', target, source], { timeout: INSTALL_WITHIN_MS });
  });
  const mainClass = path.basename(source, '.java');
  return ['-cp', `${classPath}${path.delimiter}${folder}`, LOG_ERRORS, mainClass];
}

/** The program of a Go module, built. @throws without Go or its module proxy */
export async function goProgram(source: string): Promise<string> {
  const files = ['go.mod', 'go.sum', 'main.go'];
  const content = files.map((file) => readFileSync(path.join(source, file), 'utf8')).join('\n');
  const folder = await installedFolder('go', content, async (target) => {
    await run('go', ['build', '-o', path.join(target, 'program'), '.'], {
      cwd: source,
      timeout: INSTALL_WITHIN_MS,
    });
  });
  return path.join(folder, 'program');
}

/** A folder with these npm packages, `name@version`. @throws without the registry */
export async function npmFolder(packages: readonly string[]): Promise<string> {
  return installedFolder('npm', packages.join(' '), async (target) => {
    writeFileSync(path.join(target, 'package.json'), '{ "private": true }');
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages];
    await run('npm', args, { cwd: target, timeout: INSTALL_WITHIN_MS });
  });
}

/** Kafka's command line tools, all in one JVM; see java/ToolHost.java. */
export class JavaTools implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string>) {
    this.#child = child;
    this.#answers = answers;
  }

  /** @throws without Java 17 or Maven */
  static async start(): Promise<JavaTools> {
    const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', await kafkaClassPath()];
    const child = spawn(
      'java',
      [...args, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', path.join(javaFolder, 'ToolHost.java')],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    if (!child.stdout) throw new Error('the JVM has no standard output');
    return new JavaTools(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  }

  /** Runs the main method of a class to its end. */
  async run(mainClass: string, args: readonly string[], input: string = ''): Promise<CommandResult> {
    const fields = [mainClass, input, ...args].map((field) => encodeURIComponent(field));
    this.#child.stdin?.write(`${fields.join('\t')}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the JVM of the tools has ended');
    const [code = '', stdout = '', stderr = ''] = value.split('\t');
    return { code: Number(code), stdout: decodeURIComponent(stdout), stderr: decodeURIComponent(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    this.#child.kill();
    await ended;
  }
}
