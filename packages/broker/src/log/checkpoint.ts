// Kafka's small text files: offset checkpoints (one per log folder), the leader epochs and the identity of a
// partition. Format of a checkpoint: version 0, number of lines, then one entry a line, fields parted by a space.

/** Key of a checkpoint entry: topic and partition. */
export interface PartitionKey {
  readonly topic: string;
  readonly partition: number;
}

/** Offsets by partition folder name (`topic-0`). */
export type OffsetCheckpoint = ReadonlyMap<string, number>;

/** First offset written under a leader epoch. */
export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

const FOLDER = /^(.+)-(\d+)$/;

/** Splits a partition folder's name; undefined when it is none. */
export function parsePartitionFolder(name: string): PartitionKey | undefined {
  const match = FOLDER.exec(name);
  return match ? { topic: match[1] ?? '', partition: Number(match[2]) } : undefined;
}

/** Reads an offset checkpoint; undefined when the text is damaged. */
export function parseOffsetCheckpoint(text: string): OffsetCheckpoint | undefined {
  const rows = parseRows(text, 3);
  if (!rows) return undefined;
  const offsets = new Map<string, number>();
  for (const [topic, partition, offset] of rows) {
    const value = Number(offset);
    if (!Number.isSafeInteger(value) || value < 0) return undefined;
    offsets.set(`${topic}-${partition}`, value);
  }
  return offsets;
}

export function formatOffsetCheckpoint(offsets: OffsetCheckpoint): string {
  const lines = ['0', String(offsets.size)];
  for (const [folder, offset] of offsets) {
    const cut = folder.lastIndexOf('-');
    lines.push(`${folder.slice(0, cut)} ${folder.slice(cut + 1)} ${offset}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Reads `leader-epoch-checkpoint`; undefined when the text is damaged. */
export function parseLeaderEpochs(text: string): EpochEntry[] | undefined {
  const rows = parseRows(text, 2);
  if (!rows) return undefined;
  const entries = rows.map(([epoch, startOffset]) => ({
    epoch: Number(epoch),
    startOffset: Number(startOffset),
  }));
  const sound = entries.every(
    (entry, index) =>
      Number.isSafeInteger(entry.startOffset) && entry.epoch > (entries[index - 1]?.epoch ?? -1),
  );
  return sound ? entries : undefined;
}

export function formatLeaderEpochs(entries: readonly EpochEntry[]): string {
  return ['0', entries.length, ...entries.map((e) => `${e.epoch} ${e.startOffset}`), ''].join('\n');
}

/** Reads the topic id of `partition.metadata`; undefined when the text is damaged. */
export function parsePartitionMetadata(text: string): string | undefined {
  return /^version: 0\ntopic_id: ([\w-]{22})\s*$/.exec(text)?.[1];
}

export function formatPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`;
}

function parseRows(text: string, columns: number): string[][] | undefined {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines[0] !== '0' || Number(lines[1]) !== lines.length - 2) return undefined;
  const rows = lines.slice(2).map((line) => line.split(' '));
  return rows.every((row) => row.length === columns) ? rows : undefined;
}
