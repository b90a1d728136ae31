// What workers share out among themselves: connectors and tasks.

/** A connector (`task` = -1) or one of its tasks. */
export interface WorkItem {
  readonly connector: string;
  readonly task: number;
}

/** The task number that stands for the connector itself. */
export const CONNECTOR_ITSELF = -1;

/** A text that is the same for the same item; connector names may hold any character, so the number comes first. */
export function itemKey(item: WorkItem): string {
  return `${item.task}:${item.connector}`;
}

/** A set of work items. */
export class WorkSet {
  readonly #items = new Map<string, WorkItem>();

  constructor(items: Iterable<WorkItem> = []) {
    for (const item of items) this.add(item);
  }
  get size(): number {
    return this.#items.size;
  }
  has(item: WorkItem): boolean {
    return this.#items.has(itemKey(item));
  }
  add(item: WorkItem): void {
    this.#items.set(itemKey(item), item);
  }
  delete(item: WorkItem): void {
    this.#items.delete(itemKey(item));
  }
  values(): WorkItem[] {
    return [...this.#items.values()];
  }
  filter(keep: (item: WorkItem) => boolean): WorkSet {
    return new WorkSet(this.values().filter(keep));
  }
}
