// Groups.
import type { Topic, Topics } from '../metadata/topics.ts';
import { OFFSETS_TOPIC } from '../metadata/topics.ts';

export class GroupCoordinator {
  readonly #topics: Topics;
  constructor(topics: Topics) {
    this.#topics = topics;
  }
  offsetsTopic(): Promise<Topic> {
    return this.#topics.internal(OFFSETS_TOPIC, { 'cleanup.policy': 'compact' });
  }
}
