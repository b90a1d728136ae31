// What benches need of the machine and cannot bring along.
import { connectWithDebezium, kafkaClassPath, npmFolder, pythonWith } from '@millrace/testkit';

/** Resolves with what `get` finds, or ends the bench with what is missing and how to get it. */
async function needed<T>(what: string, how: string, get: () => Promise<T>): Promise<T> {
  try {
    return await get();
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    process.stderr.write(`This bench needs ${what}, which cannot be had here (${why}).\n${how}\n`);
    process.exit(1);
  }
}

const JAVA =
  'It takes Java 17 or newer and Maven (`java -version` and `mvn -version` have to work; on Debian `apt-get install openjdk-17-jre-headless maven`), and at the first run a repository of Maven packages.';

/** The class path of Kafka and its tools. */
export function neededKafka(): Promise<string> {
  return needed('Kafka 4.3.1', JAVA, kafkaClassPath);
}

/** A Connect worker with Debezium's Postgres connector. */
export function neededConnect(): ReturnType<typeof connectWithDebezium> {
  return needed("Kafka Connect 4.3.1 with Debezium's Postgres connector", JAVA, connectWithDebezium);
}

/** A Python that has librdkafka. */
export function neededLibrdkafka(): Promise<string> {
  return needed(
    "librdkafka in Python's confluent-kafka",
    'It takes Python 3 with venv (on Debian `apt-get install python3-venv`), and at the first run an index of Python packages.',
    () => pythonWith(['confluent-kafka==2.16.1']),
  );
}

/** A folder with the Kafka clients that are written in JavaScript. */
export function neededClients(packages: readonly string[]): Promise<string> {
  return needed(packages.join(' and '), 'It takes npm, and at the first run a registry.', () =>
    npmFolder(packages),
  );
}
