// A request of a member to the coordinator of its group: once, as the member alone knows what a failure means to it.
import type { API, Encodable, RequestBody, ResponseBody } from '@millrace/kafka-protocol';
import { type Cluster, isConnectionProblem, type Lane } from './cluster.ts';
import type { RequestOptions } from './connection.ts';
import { orGivenUp } from './given-up.ts';

type AskedKey = typeof API.JoinGroup | typeof API.SyncGroup | typeof API.Heartbeat;

/** The coordinator is looked for again next time when it cannot be asked. @throws kafka.unreachable, kafka.closed and others */
export async function askCoordinator<K extends AskedKey>(
  cluster: Cluster,
  key: K,
  body: Encodable<RequestBody<K>> & { readonly groupId: string },
  options: RequestOptions & { readonly lane: Lane; readonly signal: AbortSignal },
): Promise<ResponseBody<K>> {
  const { groupId } = body;
  const { signal, lane } = options;
  try {
    const nodeId = await cluster.coordinator(groupId, 'group', signal);
    const connection = await orGivenUp(cluster.connection(nodeId, lane), signal);
    return await connection.request(key, body, options);
  } catch (error) {
    if (isConnectionProblem(error)) cluster.forgetCoordinator(groupId);
    throw error;
  }
}
