// `HOST:PORT` as flags give it.
import { MillraceError } from '@millrace/foundation';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Parses `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which is 127.0.0.1.
 * @throws config.invalid that names the flag
 */
export function parseHostPort(text: string, flag: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (!match || port > 65535) {
    throw new MillraceError('config.invalid', `${flag} has no address of the form HOST:PORT: ${text}`, {
      configKey: flag,
      hint: `Write it like ${flag} 127.0.0.1:9092.`,
    });
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '127.0.0.1' : host, port };
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
