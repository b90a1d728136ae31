// What the broker counts while it serves: plain numbers, made into text only when somebody asks (prometheus.ts).
import { TimeStats } from './time-stats.ts';

/** Requests of one API. */
export class ApiStats {
  /** By version. */
  readonly byVersion: number[] = [];
  readonly time: TimeStats = new TimeStats();
  requestBytes = 0;
  responseBytes = 0;
}

/** Records and requests of one topic, or of all. */
export class TopicTraffic {
  messagesIn = 0;
  bytesIn = 0;
  bytesOut = 0;
  produceRequests = 0;
  failedProduceRequests = 0;
  fetchRequests = 0;
  failedFetchRequests = 0;
}

export class BrokerMetrics {
  readonly apis: Map<number, ApiStats> = new Map();
  /** Topics that there are; those of a deleted topic go with it. */
  readonly topics: Map<string, TopicTraffic> = new Map();
  /** Of all topics, deleted ones too. */
  readonly all: TopicTraffic = new TopicTraffic();
  /** Every sync of a file to the device. */
  readonly flushes: TimeStats = new TimeStats();
  connectionsOpened = 0;
  /** Connections that were closed because what they sent could not be read or served. */
  connectionsRefused = 0;

  /** Counts a request whose answer is on its way. Times are monotonic milliseconds. */
  answered(
    apiKey: number,
    apiVersion: number,
    receivedMs: number,
    nowMs: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    let api = this.apis.get(apiKey);
    if (!api) {
      api = new ApiStats();
      this.apis.set(apiKey, api);
    }
    api.byVersion[apiVersion] = (api.byVersion[apiVersion] ?? 0) + 1;
    api.requestBytes += requestBytes;
    api.responseBytes += responseBytes;
    api.time.record(nowMs - receivedMs, nowMs);
  }

  /** Counts a batch that was sent to a partition; `records` is 0 when it was refused. */
  produced(topic: string, records: number, bytes: number): void {
    countBatch(this.all, records, bytes);
    countBatch(this.#of(topic), records, bytes);
  }

  /** Counts what a partition gave to a Fetch. */
  fetched(topic: string, bytes: number, failed: boolean): void {
    countRead(this.all, bytes, failed);
    countRead(this.#of(topic), bytes, failed);
  }

  /** Counts a batch or Fetch for a topic that is not there: only in the sums, since names of clients have no bound. */
  missed(kind: 'produce' | 'fetch'): void {
    if (kind === 'produce') {
      this.all.produceRequests++;
      this.all.failedProduceRequests++;
    } else {
      this.all.fetchRequests++;
      this.all.failedFetchRequests++;
    }
  }

  forgetTopic(topic: string): void {
    this.topics.delete(topic);
  }

  #of(topic: string): TopicTraffic {
    let traffic = this.topics.get(topic);
    if (!traffic) {
      traffic = new TopicTraffic();
      this.topics.set(topic, traffic);
    }
    return traffic;
  }
}

function countBatch(traffic: TopicTraffic, records: number, bytes: number): void {
  traffic.produceRequests++;
  if (records === 0) {
    traffic.failedProduceRequests++;
    return;
  }
  traffic.messagesIn += records;
  traffic.bytesIn += bytes;
}

function countRead(traffic: TopicTraffic, bytes: number, failed: boolean): void {
  traffic.fetchRequests++;
  traffic.bytesOut += bytes;
  if (failed) traffic.failedFetchRequests++;
}
