// Variables in configs: `${env:NAME}`, `${file:PATH:KEY}`, `${dir:PATH:FILE}`. Stored configs keep them as written;
// they are replaced where the config is used, so that secrets stay out of topics and answers.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, parseProperties, type RawConfig } from '@millrace/foundation';
import { connectError } from '../errors.ts';

/** Looks one variable up. `path` is null in the two-part form; returns undefined when there is no such key. */
export type ConfigProvider = (path: string | null, key: string) => Promise<string | undefined>;

export type ConfigProviders = Readonly<Record<string, ConfigProvider>>;

// `${provider:[path:]key}`; `$${x}` is no variable to Connect either, since `{x}` has no provider part.
const VARIABLE = /\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}/g;

/** The providers that every worker has. */
export function defaultProviders(env: Readonly<Record<string, string | undefined>>): ConfigProviders {
  return {
    env: (_path, key) => Promise.resolve(env[key]),
    file: async (file, key) => parseProperties(await readFile(file ?? '', 'utf8'))[key],
    dir: async (folder, key) => {
      const inside = path.resolve(folder ?? '', key);
      // A key names a file in the folder, nothing above or below it.
      if (path.dirname(inside) !== path.resolve(folder ?? '')) return undefined;
      return await readFile(inside, 'utf8');
    },
  };
}

/**
 * A copy with every known variable replaced. Variables of unknown providers stay as they are, as in Connect.
 * @throws connect.config_variable when a provider has no such key or cannot read its source.
 */
export async function resolveVariables(
  config: RawConfig,
  providers: ConfigProviders,
): Promise<Record<string, string>> {
  const resolved: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value !== null && value !== undefined) resolved[key] = await resolveText(key, value, providers);
  }
  return resolved;
}

/** Like `resolveVariables`, but what cannot be resolved stays as it is: for checks before a config is stored. */
export async function resolveKnownVariables(
  config: RawConfig,
  providers: ConfigProviders,
): Promise<Record<string, string>> {
  const resolved: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value === null || value === undefined) continue;
    resolved[key] = await resolveText(key, value, providers).catch(() => value);
  }
  return resolved;
}

async function resolveText(configKey: string, text: string, providers: ConfigProviders): Promise<string> {
  if (!text.includes('${')) return text;
  let result = '';
  let last = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const [whole, name = '', , variablePath, key = ''] = match;
    const provider = Object.hasOwn(providers, name) ? providers[name] : undefined;
    result += text.slice(last, match.index);
    result += provider ? await lookUp(provider, configKey, whole, variablePath ?? null, key) : whole;
    last = match.index + whole.length;
  }
  return result + text.slice(last);
}

async function lookUp(
  provider: ConfigProvider,
  configKey: string,
  variable: string,
  variablePath: string | null,
  key: string,
): Promise<string> {
  let found: string | undefined;
  try {
    found = await provider(variablePath, key);
  } catch (error) {
    throw connectError(
      'connect.config_variable',
      `Cannot resolve ${variable} in ${configKey}: ${messageOf(error)}`,
      {
        configKey,
        cause: error,
      },
    );
  }
  if (found === undefined) {
    throw connectError('connect.config_variable', `${variable} in ${configKey} is not defined`, {
      configKey,
    });
  }
  return found;
}
