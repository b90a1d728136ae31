// Parts of a worker's settings in the form that their users want, and its name.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { RawConfig } from '@millrace/foundation';
import { withPrefix } from './config/client-overrides.ts';
import type { WorkerConfig } from './config/worker-config.ts';
import type { SessionKeySettings } from './herder/session-keys.ts';

/** The worker's converter keys with defaults, for connectors that name none. */
export function converterSettings({ resolved, raw }: WorkerConfig): RawConfig {
  const settings: Record<string, string> = {};
  for (const side of ['key', 'value', 'header']) {
    settings[`${side}.converter`] = resolved.string(`${side}.converter`);
    for (const [name, value] of Object.entries(withPrefix(raw, `${side}.converter.`))) {
      settings[`${side}.converter.${name}`] = value;
    }
  }
  return settings;
}

export function sessionKeySettings({ resolved }: WorkerConfig): SessionKeySettings {
  return {
    keyAlgorithm: resolved.string('inter.worker.key.generation.algorithm'),
    keySize: resolved.optionalInt('inter.worker.key.size') ?? null,
    keyTtlMs: resolved.int('inter.worker.key.ttl.ms'),
    signatureAlgorithm: resolved.string('inter.worker.signature.algorithm'),
    verificationAlgorithms: resolved.list('inter.worker.verification.algorithms'),
  };
}

/** A name for this worker that survives restarts on the same data folder. */
export async function workerInstanceId(dataDir: string): Promise<string> {
  const file = path.join(dataDir, 'worker.id');
  try {
    const known = (await readFile(file, 'utf8')).trim();
    if (known !== '') return known;
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
  }
  const fresh = `millrace-${randomUUID()}`;
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, `${fresh}\n`);
  return fresh;
}
