// Starts the export of metrics where OpenTelemetry's environment variables ask for it; nothing is loaded otherwise.
import type { Clock, Logger } from '@millrace/foundation';
import { exportSettings } from './settings.ts';

export interface MetricsExportOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `/metrics` in Prometheus' text form. */
  readonly render: () => Promise<string>;
  readonly version: string;
  /** `service.instance.id`, unless the environment has one. */
  readonly instanceId: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Resolves with what ends the export, or with null where none is asked for. */
export async function startMetricsExport(options: MetricsExportOptions): Promise<AsyncDisposable | null> {
  const { env, logger, instanceId, ...rest } = options;
  const asked = exportSettings(env, (message) => logger.warn(message));
  if (asked === null) return null;
  const { MetricsExporter } = await import('./exporter.ts');
  const settings = { ...asked, resource: { 'service.instance.id': instanceId, ...asked.resource } };
  return new MetricsExporter({ ...rest, logger, settings });
}
