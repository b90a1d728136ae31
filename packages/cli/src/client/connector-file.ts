// Files with the config of a connector.
import { readFileSync } from 'node:fs';
import { messageOf } from '@millrace/foundation';
import { CliError } from './cli-error.ts';

/** A connector as a file holds it: Connect's `{name, config}` or the flat map with `name` in it. */
export interface ConnectorFile {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  /** RUNNING, PAUSED or STOPPED, where the file says so. */
  readonly initialState?: string;
}

/** @throws CliError that names the file and what is wrong in it */
export function readConnectorFile(file: string): ConnectorFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(
      `Cannot read ${file}`,
      messageOf(error),
      'Name a JSON file with a connector config.',
      2,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CliError(`${file} is not JSON`, messageOf(error), 'Correct the file at that position.', 2);
  }
  const shape =
    'Write {"name": "...", "config": {"connector.class": "...", ...}} or the config alone with "name" in it.';
  if (!isObject(json))
    throw new CliError(`${file} holds no connector`, 'the document is not an object', shape, 2);
  const config = isObject(json['config']) ? json['config'] : json;
  const name = json['name'] ?? config['name'];
  if (typeof name !== 'string' || name === '')
    throw new CliError(`${file} names no connector`, '"name" is missing', shape, 2);
  const entries = Object.entries(config).map(([key, value]) => {
    if (isObject(value) || Array.isArray(value)) {
      throw new CliError(
        `${file}: ${key} has an object as value`,
        'config values are text, numbers or booleans',
        shape,
        2,
      );
    }
    return [key, String(value)] as const;
  });
  const state = isObject(json['config']) ? json['initial_state'] : undefined;
  return {
    name,
    config: Object.fromEntries(entries),
    ...(state === undefined || state === null ? {} : { initialState: String(state) }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
