// What OpenTelemetry's standard environment variables ask of the export of metrics. A wrong value is warned about and
// ignored, as the specification of these variables wants it: no worker fails to start because of its telemetry.

type Environment = Readonly<Record<string, string | undefined>>;

export interface ExportSettings {
  readonly endpoint: URL;
  readonly protocol: 'http/protobuf' | 'http/json';
  /** Names with values that may be secrets (INV-11). */
  readonly headers: Readonly<Record<string, string>>;
  readonly compress: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** What the metrics are of, `service.name` first. */
  readonly resource: Readonly<Record<string, string>>;
}

const DEFAULT_ENDPOINT = 'http://localhost:4318';
const DEFAULT_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 10_000;
const MIN_INTERVAL_MS = 100;
/** Node takes longer timers for no wait at all. */
const MAX_TIMER_MS = 0x7fff_ffff;
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Null when the environment does not ask for an export; `warn` is told what is ignored, without values of headers. */
export function exportSettings(env: Environment, warn: (message: string) => void): ExportSettings | null {
  const value = (name: string): string | undefined => env[name]?.trim() || undefined;
  const own = (name: string): string | undefined =>
    value(`OTEL_EXPORTER_OTLP_METRICS_${name}`) ?? value(`OTEL_EXPORTER_OTLP_${name}`);
  if (value('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return null;
  const exporter = value('OTEL_METRICS_EXPORTER');
  if (exporter === undefined ? own('ENDPOINT') === undefined : exporter !== 'otlp') {
    if (exporter !== undefined && exporter !== 'none')
      warn(`OTEL_METRICS_EXPORTER=${exporter} is not offered: otlp and none are; /metrics is always there`);
    return null;
  }
  const endpoint = endpointOf(value, warn);
  if (endpoint === null) return null;
  const milliseconds = (name: string, text: string | undefined, fallback: number): number => {
    if (text === undefined) return fallback;
    const number = Number(text);
    if (Number.isInteger(number) && number > 0 && number <= MAX_TIMER_MS) return number;
    warn(`${name}=${text} is no number of milliseconds above 0; ${fallback} is used`);
    return fallback;
  };
  return {
    endpoint,
    protocol: protocolOf(own('PROTOCOL'), warn),
    headers: { ...loginOf(endpoint), ...headersOf(own('HEADERS'), warn) },
    compress: compressionOf(own('COMPRESSION'), warn),
    intervalMs: Math.max(
      MIN_INTERVAL_MS,
      milliseconds('OTEL_METRIC_EXPORT_INTERVAL', value('OTEL_METRIC_EXPORT_INTERVAL'), DEFAULT_INTERVAL_MS),
    ),
    timeoutMs: milliseconds('OTEL_EXPORTER_OTLP_TIMEOUT', own('TIMEOUT'), DEFAULT_TIMEOUT_MS),
    resource: resourceOf(value, warn),
  };
}

function endpointOf(
  value: (name: string) => string | undefined,
  warn: (message: string) => void,
): URL | null {
  const whole = value('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT');
  const base = value('OTEL_EXPORTER_OTLP_ENDPOINT') ?? DEFAULT_ENDPOINT;
  try {
    const url = new URL(whole ?? `${base.replace(/\/+$/, '')}/v1/metrics`);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Said below, without the text: it may hold a password.
  }
  warn('the endpoint of OTEL_EXPORTER_OTLP_* is no http or https URL; no metrics are exported');
  return null;
}

/** A login in the URL goes as a header, where nobody prints it. */
function loginOf(endpoint: URL): Record<string, string> {
  const { username, password } = endpoint;
  if (username === '' && password === '') return {};
  endpoint.username = '';
  endpoint.password = '';
  const login = `${decoded(username) ?? username}:${decoded(password) ?? password}`;
  return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

function protocolOf(text: string | undefined, warn: (message: string) => void): ExportSettings['protocol'] {
  if (text === 'http/json' || text === 'http/protobuf' || text === undefined) return text ?? 'http/protobuf';
  warn(
    `OTEL_EXPORTER_OTLP_PROTOCOL=${text} is not offered; http/protobuf is used (port 4318 of a collector)`,
  );
  return 'http/protobuf';
}

function compressionOf(text: string | undefined, warn: (message: string) => void): boolean {
  if (text !== undefined && text !== 'gzip' && text !== 'none')
    warn(`OTEL_EXPORTER_OTLP_COMPRESSION=${text} is not offered: gzip and none are`);
  return text === 'gzip';
}

function headersOf(text: string | undefined, warn: (message: string) => void): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of pairs(text)) {
    // INV-11: what a value is is not told.
    if (value === null || !HEADER_NAME.test(name) || !HEADER_VALUE.test(value))
      warn('OTEL_EXPORTER_OTLP_HEADERS has an entry that is no NAME=VALUE; it is left out');
    else headers[name.toLowerCase()] = value;
  }
  return headers;
}

function resourceOf(
  value: (name: string) => string | undefined,
  warn: (message: string) => void,
): Record<string, string> {
  const resource: Record<string, string> = { 'service.name': 'millrace' };
  for (const [name, text] of pairs(value('OTEL_RESOURCE_ATTRIBUTES'))) {
    if (text === null || name === '') warn('OTEL_RESOURCE_ATTRIBUTES has an entry that is no NAME=VALUE');
    else resource[name] = text;
  }
  const name = value('OTEL_SERVICE_NAME');
  if (name !== undefined) resource['service.name'] = name;
  return resource;
}

/** `a=1,b=2`, percent-encoded; null for a value that cannot be decoded or is not there. */
function pairs(text: string | undefined): (readonly [string, string | null])[] {
  return (text ?? '')
    .split(',')
    .filter((entry) => entry.trim() !== '')
    .map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 0) return [entry.trim(), null];
      return [decoded(entry.slice(0, equals).trim()) ?? '', decoded(entry.slice(equals + 1).trim())];
    });
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
