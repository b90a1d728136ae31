// Kafka's own jars, fetched with Maven at first use, for tests that hold our files against Kafka's readers.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KAFKA = '4.3.1';
const FOLDER = fileURLToPath(
  new URL(`../../../../node_modules/.cache/kafka-tools-${KAFKA}`, import.meta.url),
);
const INSTALL_WITHIN_MS = 300_000;

const artifact = (group: string, name: string, version: string): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millrace</groupId><artifactId>tools</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
${artifact('org.apache.kafka', 'kafka_2.13', KAFKA)}
${artifact('org.apache.kafka', 'kafka-tools', KAFKA)}
${artifact('org.slf4j', 'slf4j-simple', '1.7.36')}
</dependencies></project>
`;

/** The class path of Kafka's tools, as `java -cp` takes it. @throws without Java 17 or Maven */
export async function kafkaClassPath(): Promise<string> {
  await run('java', ['-version']);
  if (!existsSync(FOLDER)) {
    // Made beside and moved into place, so that a run that was cut short leaves nothing half done.
    const partial = `${FOLDER}.${process.pid}`;
    mkdirSync(partial, { recursive: true });
    try {
      writeFileSync(join(partial, 'pom.xml'), POM);
      const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'];
      await run('mvn', args, { cwd: partial, timeout: INSTALL_WITHIN_MS });
      renameSync(partial, FOLDER);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
  return join(FOLDER, 'libs', '*');
}
