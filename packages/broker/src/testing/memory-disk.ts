// A disk in memory for tests of crashes. It knows the difference between written and durable, for contents and for
// folder entries, can be told to fail, to fill up, and to lose power: what was not synced may then be there, partly
// there, or gone. After a failed sync the data stays readable and will never become durable, as on Linux.
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../disk.ts';

/** A change of a file that no sync has covered. */
type ContentChange = { readonly position: number; readonly bytes: Buffer } | { readonly truncateTo: number };

class Inode {
  content: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  unsynced: ContentChange[] = [];
  modifiedMs = Date.now();
}

type Entry = Inode | 'directory';
interface EntryChange {
  readonly set: readonly (readonly [string, Entry])[];
  /** With what lay there: something made later under the same name stays. */
  readonly remove: readonly (readonly [string, Entry])[];
}

/** What happens to the next operations of a kind. */
export interface DiskFault {
  readonly operation: 'write' | 'sync';
  /** Such as EIO. */
  readonly code: string;
  /** Only paths that contain this text. */
  readonly path?: string;
  /** Operations that still succeed. */
  readonly after?: number;
}

export class MemoryDisk implements Disk {
  /** Bytes that fit; a write beyond puts down what fits, then fails with ENOSPC. */
  capacityBytes: number = Number.MAX_SAFE_INTEGER;
  /** How long a sync takes, in turns of the event loop. */
  syncTurns: () => number = () => 1;
  /** How long an asynchronous read takes; called when it begins. */
  readTurns: () => number = () => 1;
  readonly #entries = new Map<string, Entry>();
  /** Entries as of the last sync of their folder. */
  readonly #durableEntries = new Map<string, Entry>();
  readonly #unsyncedEntries = new Map<string, EntryChange[]>();
  #fault: { fault: DiskFault; left: number } | undefined;
  #usedBytes = 0;

  /** Makes the next matching operation fail, once. */
  failNext(fault: DiskFault): void {
    this.#fault = { fault, left: fault.after ?? 0 };
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  open(path: string): DiskFile {
    let inode = this.#entries.get(path);
    if (!inode) {
      inode = new Inode();
      this.#change(dirname(path), { set: [[path, inode]], remove: [] });
    }
    if (inode === 'directory') throw diskError('EISDIR', path);
    return new MemoryFile(this, path, inode);
  }

  exists(path: string): boolean {
    return this.#entries.has(path);
  }

  modifiedMs(path: string): number {
    const inode = this.#entries.get(path);
    return inode instanceof Inode ? inode.modifiedMs : 0;
  }

  readFile(path: string): Buffer | undefined {
    const inode = this.#entries.get(path);
    return inode instanceof Inode ? Buffer.from(inode.content) : undefined;
  }

  makeDirectory(path: string): void {
    if (this.#entries.has(path) || path === dirname(path)) return;
    this.makeDirectory(dirname(path));
    this.#change(dirname(path), { set: [[path, 'directory']], remove: [] });
  }

  list(path: string): string[] {
    const start = path === '/' ? '/' : `${path}/`;
    return [...this.#entries.keys()]
      .filter((name) => name.startsWith(start) && name !== start && !name.slice(start.length).includes('/'))
      .map((name) => name.slice(start.length))
      .sort();
  }

  rename(from: string, to: string): void {
    const moved = this.#below(from);
    if (moved.length === 0) throw diskError('ENOENT', from);
    this.#change(dirname(to), {
      set: moved.map(([path, entry]) => [to + path.slice(from.length), entry] as const),
      remove: moved,
    });
  }

  remove(path: string): void {
    const doomed = this.#below(path);
    for (const [, entry] of doomed) if (entry instanceof Inode) this.#usedBytes -= entry.content.length;
    if (doomed.length > 0) this.#change(dirname(path), { set: [], remove: doomed });
  }

  async syncDirectory(path: string): Promise<void> {
    for (let turns = this.syncTurns(); turns > 0; turns--) await nextTurn();
    this.checkFault('sync', path);
    for (const change of this.#unsyncedEntries.get(path) ?? []) applyEntries(this.#durableEntries, change);
    this.#unsyncedEntries.delete(path);
  }

  space(): { totalBytes: number; freeBytes: number } {
    return {
      totalBytes: this.capacityBytes,
      freeBytes: Math.max(0, this.capacityBytes - this.#usedBytes),
    };
  }

  /** The disk as it is found after the power came back; this one is not changed. `random` gives 0 to 1. */
  afterPowerCut(random: () => number): MemoryDisk {
    const entries = new Map(this.#durableEntries);
    for (const changes of this.#unsyncedEntries.values()) {
      const survivors = changes.slice(0, Math.floor(random() * (changes.length + 1)));
      for (const change of survivors) applyEntries(entries, change);
    }
    const disk = new MemoryDisk();
    const copyOf = disk.#adopt(this, (inode) => {
      const copy = new Inode();
      copy.content = survivingContent(inode, random);
      copy.durable = Buffer.from(copy.content);
      return copy;
    });
    for (const [path, entry] of entries) {
      if (path !== '/' && dirname(path) !== '/' && entries.get(dirname(path)) !== 'directory') continue;
      const copy = copyOf(entry);
      if (copy instanceof Inode) disk.#usedBytes += copy.content.length;
      disk.#entries.set(path, copy);
      disk.#durableEntries.set(path, copy);
    }
    return disk;
  }

  /** The disk as a process finds it that was killed and started again: all writes are there, synced or not. */
  afterKill(): MemoryDisk {
    const disk = new MemoryDisk();
    const copyOf = disk.#adopt(this, (inode) => {
      const copy = new Inode();
      copy.content = Buffer.from(inode.content);
      copy.durable = Buffer.from(inode.durable);
      copy.unsynced = [...inode.unsynced];
      return copy;
    });
    for (const [path, entry] of this.#entries) disk.#entries.set(path, copyOf(entry));
    for (const [path, entry] of this.#durableEntries) disk.#durableEntries.set(path, copyOf(entry));
    for (const [folder, changes] of this.#unsyncedEntries) {
      const renewed = changes.map(({ set, remove }) => ({
        set: set.map(([path, entry]) => [path, copyOf(entry)] as const),
        remove: remove.map(([path, entry]) => [path, copyOf(entry)] as const),
      }));
      disk.#unsyncedEntries.set(folder, renewed);
    }
    disk.#usedBytes = this.#usedBytes;
    return disk;
  }

  /** Throws if the operation was chosen to fail. */
  checkFault(operation: DiskFault['operation'], path: string): void {
    const chosen = this.#fault;
    if (!chosen || chosen.fault.operation !== operation) return;
    if (chosen.fault.path !== undefined && !path.includes(chosen.fault.path)) return;
    if (chosen.left-- > 0) return;
    this.#fault = undefined;
    throw diskError(chosen.fault.code, path);
  }

  /** Takes room for a file that grows from `from` to `to` bytes; returns the size that fits. */
  grow(from: number, to: number): number {
    const fits = Math.min(to, from + this.space().freeBytes);
    const size = Math.max(from, fits);
    this.#usedBytes += size - from;
    return size;
  }
  shrink(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  #below(path: string): [string, Entry][] {
    return [...this.#entries].filter(([name]) => name === path || name.startsWith(`${path}/`));
  }

  #change(folder: string, change: EntryChange): void {
    applyEntries(this.#entries, change);
    const pending = this.#unsyncedEntries.get(folder) ?? [];
    pending.push(change);
    this.#unsyncedEntries.set(folder, pending);
  }

  /** Takes over what a disk is; the function gives each of its files as it is here. */
  #adopt(other: MemoryDisk, copy: (inode: Inode) => Inode): (entry: Entry) => Entry {
    this.capacityBytes = other.capacityBytes;
    const copies = new Map<Inode, Inode>();
    return (entry) => {
      if (entry === 'directory') return entry;
      const known = copies.get(entry) ?? copy(entry);
      copies.set(entry, known);
      return known;
    };
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #inode: Inode;

  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.path = path;
    this.#disk = disk;
    this.#inode = inode;
  }

  size(): number {
    return this.#inode.content.length;
  }

  readSync(target: Buffer, position: number): number {
    return this.#inode.content.copy(target, 0, position);
  }

  async read(target: Buffer, position: number): Promise<number> {
    for (let turns = this.#disk.readTurns(); turns > 0; turns--) await nextTurn();
    return this.readSync(target, position);
  }

  writeSync(chunks: readonly Buffer[], position: number): void {
    this.#disk.checkFault('write', this.path);
    const bytes = Buffer.concat(chunks);
    const inode = this.#inode;
    const before = inode.content.length;
    const end = Math.max(before, position + bytes.length);
    const size = this.#disk.grow(before, end);
    const written = bytes.subarray(0, Math.max(0, size - position));
    const change = { position, bytes: Buffer.from(written) };
    inode.content = applyContent(inode.content, change);
    inode.unsynced.push(change);
    inode.modifiedMs = Date.now();
    if (size < end) throw diskError('ENOSPC', this.path);
  }

  async write(chunks: readonly Buffer[], position: number): Promise<void> {
    await nextTurn();
    this.writeSync(chunks, position);
  }

  async sync(): Promise<void> {
    const covered = [...this.#inode.unsynced];
    for (let turns = this.#disk.syncTurns(); turns > 0; turns--) await nextTurn();
    try {
      this.#disk.checkFault('sync', this.path);
    } catch (error) {
      // The pages count as clean from here on: no later sync writes them.
      this.#inode.unsynced = [];
      throw error;
    }
    for (const change of covered) this.#inode.durable = applyContent(this.#inode.durable, change);
    this.#inode.unsynced = this.#inode.unsynced.slice(covered.length);
  }

  truncate(size: number): void {
    const inode = this.#inode;
    if (size < inode.content.length) this.#disk.shrink(inode.content.length - size);
    inode.content = applyContent(inode.content, { truncateTo: size });
    inode.unsynced.push({ truncateTo: size });
  }

  close(): void {}
}

function applyEntries(entries: Map<string, Entry>, change: EntryChange): void {
  for (const [path, entry] of change.remove) if (entries.get(path) === entry) entries.delete(path);
  for (const [path, entry] of change.set) entries.set(path, entry);
}

function applyContent(content: Buffer, change: ContentChange): Buffer {
  if ('truncateTo' in change) {
    if (change.truncateTo <= content.length) return content.subarray(0, change.truncateTo);
    return Buffer.concat([content, Buffer.alloc(change.truncateTo - content.length)]);
  }
  const { position, bytes } = change;
  if (position === content.length) return Buffer.concat([content, bytes]);
  const changed = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(changed);
  bytes.copy(changed, position);
  return changed;
}

/** Each change that was not synced is there whole, up to some sector, with zeros where the file grew, or not at all. */
function survivingContent(inode: Inode, random: () => number): Buffer {
  let content = inode.durable;
  for (const change of inode.unsynced) {
    const fate = random();
    if (fate < 0.4) content = applyContent(content, change);
    else if (fate < 0.8 && 'bytes' in change) {
      const { position, bytes } = change;
      const kept = Math.floor(random() * bytes.length);
      // The size may be there before the bytes are; what is overwritten is as it was before or as it is after.
      if (fate < 0.6)
        content = applyContent(content, { truncateTo: Math.max(content.length, position + bytes.length) });
      content = applyContent(content, { position, bytes: bytes.subarray(0, kept) });
    }
  }
  return Buffer.from(content);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
