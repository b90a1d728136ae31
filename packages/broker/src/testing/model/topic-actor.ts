// Creates and deletes topics of the same names again and again: one that was deleted stays away, one that was created
// anew is empty, and its committed offsets are gone.
import type { TestClient } from '../test-client.ts';
import { type Ledger, type ModelLog, must } from './ledger.ts';
import { checkLog } from './reading.ts';
import { type Actor, produce, type Session } from './session.ts';

const GROUP = 'readers of topics that come and go';

interface ModelTopic {
  readonly name: string;
  state: 'absent' | 'present' | 'creating' | 'deleting';
  topicId: string;
  log: ModelLog | undefined;
  /** The committed offset, or several when the answer to a commit was lost. */
  commits: readonly number[];
  /** Ids of those deleted. */
  readonly gone: Set<string>;
}

export class TopicActor implements Actor {
  readonly #topics: readonly ModelTopic[];
  #order = 0;

  constructor(names: readonly string[]) {
    this.#topics = names.map((name) => ({
      name,
      state: 'absent',
      topicId: '',
      log: undefined,
      commits: [-1],
      gone: new Set(),
    }));
  }

  async run(session: Session): Promise<void> {
    const client = await session.connect();
    for (const topic of this.#topics) await this.#check(session, client, topic);
    while (!session.isEnding) {
      const topic = session.pick(this.#topics);
      if (topic.state === 'absent') await this.#create(session, client, topic);
      else if (session.chance(0.15)) await this.#delete(session, client, topic);
      else if (session.chance(0.3)) await this.#commit(session, client, topic);
      else await this.#write(session, client, topic);
      await session.rest(session.below(40));
    }
  }

  /** After a start: what was told holds, what was only asked for is seen. */
  async #check(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    const { name, state } = topic;
    const answer = await client.send('Metadata', 12, { topics: null, allowAutoTopicCreation: false });
    session.settle();
    const found = answer.topics.find((each) => each.name === name);
    must(found === undefined || state !== 'absent', () => `${name} was deleted and is there`);
    must(found !== undefined || state !== 'present', () => `${name} was created and is away`);
    if (!found) {
      this.#forget(session.ledger, topic);
      return;
    }
    must(!topic.gone.has(found.topicId), () => `${name} is one that was deleted`);
    if (state === 'creating') this.#adopt(session.ledger, topic, found.topicId);
    must(found.topicId === topic.topicId, () => `${name} is ${found.topicId}, not ${topic.topicId}`);
    topic.state = 'present';
    await this.#checkContent(session, client, topic);
  }

  async #checkContent(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    if (topic.log) await checkLog(client, session.ledger, topic.log, 0);
    const topics = [{ name: topic.name, partitionIndexes: [0] }];
    const answer = await client.send('OffsetFetch', 7, { groupId: GROUP, topics });
    const offset = Number(answer.topics[0]?.partitions[0]?.committedOffset);
    must(topic.commits.includes(offset), () => `${topic.name} has ${offset}, told ${topic.commits.join()}`);
    topic.commits = [offset];
  }

  async #create(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    topic.state = 'creating';
    const answer = await client.send('CreateTopics', 7, {
      timeoutMs: 30_000,
      topics: [{ name: topic.name, numPartitions: 1, replicationFactor: 1 }],
    });
    const result = answer.topics[0];
    if (result?.errorCode !== 0) session.settle();
    must(result?.errorCode === 0, () => `CreateTopics answered ${result?.errorCode}`);
    must(!topic.gone.has(result.topicId), () => `${topic.name} got an id again`);
    this.#adopt(session.ledger, topic, result.topicId);
    topic.state = 'present';
    await this.#checkContent(session, client, topic);
    session.ledger.count('topics created');
  }

  async #delete(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    topic.state = 'deleting';
    const answer = await client.send('DeleteTopics', 5, { topicNames: [topic.name], timeoutMs: 30_000 });
    const code = answer.responses[0]?.errorCode;
    if (code !== 0) session.settle();
    must(code === 0, () => `DeleteTopics answered ${code}`);
    this.#forget(session.ledger, topic);
    session.ledger.count('topics deleted');
  }

  async #write(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    const { log } = topic;
    if (!log) return;
    const record = session.ledger.send(log, { stream: 'topics', order: this.#order++ });
    const { errorCode, offset } = await produce(client, [record], { acks: -1 });
    if (errorCode !== 0) session.settle();
    must(errorCode === 0, () => `a write to ${topic.name} answered ${errorCode}`);
    session.ledger.place(record, offset);
  }

  async #commit(session: Session, client: TestClient, topic: ModelTopic): Promise<void> {
    const offset = this.#order++;
    topic.commits = [...topic.commits, offset];
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
    const answer = await client.send('OffsetCommit', 8, {
      groupId: GROUP,
      generationIdOrMemberEpoch: -1,
      topics: [{ name: topic.name, partitions }],
    });
    const code = answer.topics[0]?.partitions[0]?.errorCode;
    if (code !== 0) session.settle();
    must(code === 0, () => `a commit for ${topic.name} answered ${code}`);
    topic.commits = [offset];
  }

  #adopt(ledger: Ledger, topic: ModelTopic, topicId: string): void {
    topic.topicId = topicId;
    topic.log = ledger.addLog(topic.name, 0, 'plain');
    topic.commits = [-1];
  }

  #forget(ledger: Ledger, topic: ModelTopic): void {
    topic.state = 'absent';
    topic.gone.add(topic.topicId);
    const index = ledger.logs.findIndex((log) => log === topic.log);
    if (index >= 0) ledger.logs.splice(index, 1);
    topic.log = undefined;
  }
}
