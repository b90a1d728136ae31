// The data folder: its identity in meta.properties, and the lock that keeps a second process out. The lock is a
// listening unix socket, since a process id means nothing across containers.
import { createHash, randomBytes } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseProperties } from '@millrace/foundation';
import { type Disk, writeAtomically } from './disk.ts';
import { brokerError } from './errors.ts';
import { randomUuid } from './metadata/topics.ts';

const FORMAT_VERSION = '1';
/** Longest path a unix socket can have, without the ending zero, on the strictest system. */
const MAX_SOCKET_PATH = 103;

/** Who this data folder is. */
export interface FolderIdentity {
  readonly clusterId: string;
  readonly nodeId: number;
}

/**
 * Reads meta.properties, or makes it for a new folder.
 *
 * @throws broker.data_folder_invalid
 */
export async function openIdentity(disk: Disk, folder: string, nodeId: number): Promise<FolderIdentity> {
  const path = join(folder, 'meta.properties');
  const text = disk.readFile(path)?.toString('utf8');
  if (text === undefined) {
    const clusterId = randomUuid();
    const lines = [`version=${FORMAT_VERSION}`, `cluster.id=${clusterId}`, `node.id=${nodeId}`, ''];
    await writeAtomically(disk, path, lines.join('\n'));
    return { clusterId, nodeId };
  }
  const properties = parseProperties(text);
  const stored = Number(properties['node.id'] ?? properties['broker.id']);
  const clusterId = properties['cluster.id'];
  if (properties['version'] !== FORMAT_VERSION || !clusterId || !Number.isInteger(stored)) {
    throw brokerError('broker.data_folder_invalid', `${path} is not a file of this version.`);
  }
  // A changed id would make clients take this for another broker; the folder's wins.
  return { clusterId, nodeId: stored };
}

/** A held lock. */
export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a folder.
 *
 * @throws broker.data_folder_locked
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = socketPath(folder);
  const nonce = randomBytes(8).toString('hex');
  if (await answer(path)) throw locked(folder);
  removeStale(path);
  const server = await listen(path, nonce, folder);
  // Two starters may both have found the same stale socket; the one whose socket stands has the lock.
  if ((await answer(path)) !== nonce) {
    server.close();
    throw locked(folder);
  }
  server.unref();
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

function locked(folder: string): Error {
  return brokerError('broker.data_folder_locked', `The data folder ${folder} is in use by another process.`);
}

/** Relative when that is shorter, since a socket's path is limited to about a hundred bytes. */
function socketPath(folder: string): string {
  const path = join(folder, 'lock.sock');
  const near = relative(process.cwd(), path);
  const shorter = Buffer.byteLength(near) < Buffer.byteLength(path) ? near : path;
  if (Buffer.byteLength(shorter) <= MAX_SOCKET_PATH) return shorter;
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 24);
  return join(tmpdir(), `millrace-${name}.sock`);
}

function listen(path: string, nonce: string, folder: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(nonce);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? locked(folder) : error);
    });
    server.listen(path, () => resolve(server));
  });
}

/** What the holder of the lock says; undefined when there is none. */
function answer(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.setTimeout(2000, () => {
      socket.destroy();
      resolve(text === '' ? 'silent' : text);
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => resolve(undefined));
    socket.on('end', () => resolve(text));
  });
}

function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
