// Who listens on a port, where the system tells: Linux, by the socket tables and the open files below /proc.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** Such as `redis-server (pid 4711)`, or undefined when it cannot be told. */
export function portOwner(port: number): string | undefined {
  try {
    const inodes = listeningInodes(port);
    return inodes.size === 0 ? undefined : ownerOf(inodes);
  } catch {
    return undefined; // no /proc here, or not ours to read
  }
}

function listeningInodes(port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local.endsWith(`:${hex}`) && state === LISTEN && inode !== undefined)
        inodes.add(`socket:[${inode}]`);
    }
  }
  return inodes;
}

function ownerOf(inodes: ReadonlySet<string>): string | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const files = readdirSync(`/proc/${pid}/fd`);
      if (!files.some((file) => inodes.has(linkOf(`/proc/${pid}/fd/${file}`)))) continue;
      return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (pid ${pid})`;
    } catch {
      continue; // it ended, or belongs to somebody else
    }
  }
  return undefined;
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
