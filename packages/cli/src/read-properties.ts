// Reads a file of settings.
import { readFileSync } from 'node:fs';
import { MillraceError, parseProperties } from '@millrace/foundation';

/** The keys of a .properties file. @throws config.invalid when it cannot be read */
export function readProperties(file: string): Record<string, string> {
  try {
    return parseProperties(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new MillraceError('config.invalid', `Cannot read ${file}: ${(error as Error).message}`, {
      hint: 'Give the path of a .properties file that this user may read.',
      cause: error,
    });
  }
}

/** Settings with variables such as `${env:NAME}` replaced, so that secrets can be kept elsewhere. @throws connect.config_variable */
export async function withVariables(properties: Record<string, string>): Promise<Record<string, string>> {
  const { defaultProviders, resolveVariables } = await import('@millrace/connect-runtime/config');
  return await resolveVariables(properties, defaultProviders(process.env));
}

/** The broker's settings; variables are looked for only where `config.providers` asks for it, as in Kafka. */
export async function readBrokerProperties(file: string | undefined): Promise<Record<string, string>> {
  const properties = file === undefined ? {} : readProperties(file);
  return properties['config.providers'] === undefined ? properties : withVariables(properties);
}
