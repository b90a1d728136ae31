// A broker that keeps nothing: it answers what a producer of topic `argv[2]` asks with answers made beforehand, and
// reads of a request only which answer it wants. What clients reach against it is what they can do. Tells its parent
// the port.
import { createServer } from 'node:net';
import { API, encodeResponse } from '@millrace/kafka-protocol';

const topic = process.argv[2] ?? '';
/** Length, API, version and correlation id. */
const HEAD = 12;
const TOPIC_ID = 'AAAAAAAAQACAAAAAAAAAAQ';
const NODE = 1;

const apis: readonly { readonly key: number; readonly last: number; readonly body: () => object }[] = [
  {
    key: API.ApiVersions,
    last: 4,
    body: () => ({
      errorCode: 0,
      apiKeys: apis.map(({ key, last }) => ({ apiKey: key, minVersion: 0, maxVersion: last })),
    }),
  },
  {
    key: API.Metadata,
    last: 12,
    body: () => ({
      brokers: [{ nodeId: NODE, host: '127.0.0.1', port }],
      clusterId: 'noop',
      controllerId: NODE,
      topics: [
        {
          errorCode: 0,
          name: topic,
          topicId: TOPIC_ID,
          isInternal: false,
          partitions: [
            {
              errorCode: 0,
              partitionIndex: 0,
              leaderId: NODE,
              leaderEpoch: 0,
              replicaNodes: [NODE],
              isrNodes: [NODE],
              offlineReplicas: [],
            },
          ],
        },
      ],
    }),
  },
  {
    key: API.InitProducerId,
    last: 5,
    body: () => ({ errorCode: 0, producerId: 1n, producerEpoch: 0 }),
  },
  {
    key: API.Produce,
    last: 11,
    body: () => ({
      responses: [{ name: topic, partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 0 }] }],
    }),
  },
];

const answers = new Map<number, Buffer>();
function answer(head: Buffer): Buffer {
  const key = head.readInt16BE(4);
  const version = head.readInt16BE(6);
  const id = key * 100 + version;
  let made = answers.get(id);
  if (made === undefined) {
    const api = apis.find((it) => it.key === key && version <= it.last);
    if (api === undefined) throw new Error(`no answer to API ${key} version ${version}`);
    made = Buffer.concat(encodeResponse(key, version, 0, api.body()));
    answers.set(id, made);
  }
  const copy = Buffer.from(made);
  head.copy(copy, 4, 8, HEAD);
  return copy;
}

const server = createServer({ noDelay: true }, (socket) => {
  const head = Buffer.alloc(HEAD);
  let filled = 0;
  /** Bytes of a request's body that are to come. */
  let left = 0;
  socket.on('data', (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (filled < HEAD) {
        const copied = chunk.copy(head, filled, at, Math.min(chunk.length, at + HEAD - filled));
        filled += copied;
        at += copied;
        if (filled < HEAD) return;
        left = head.readInt32BE(0) - (HEAD - 4);
      }
      const skipped = Math.min(left, chunk.length - at);
      left -= skipped;
      at += skipped;
      if (left > 0) return;
      filled = 0;
      socket.write(answer(head));
    }
  });
  socket.on('error', () => undefined);
});
let port = 0;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  process.send?.(port);
});
process.on('disconnect', () => process.exit());
