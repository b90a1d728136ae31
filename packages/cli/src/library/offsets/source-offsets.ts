// Where a program keeps how far it has come.

/**
 * Keeps texts by key, durably. Keys and values are those of Connect's offsets topic, such as
 * `["shop",{"server":"shop"}]` and `{"lsn":24023128,...}`; an implementation need not look into them.
 */
export interface SourceOffsets {
  /** Everything that was saved; empty at first. Called once, before anything is saved. */
  load(): Promise<ReadonlyMap<string, string>>;
  /**
   * Keeps these values in place of what was kept under their keys, all or none, and resolves when a crash or a loss of
   * power cannot take them back: right after it, the database may forget what came before. Not called twice at a time.
   */
  save(changes: ReadonlyMap<string, string>): Promise<void>;
  /** Called once, at the end. */
  close?(): Promise<void>;
}
