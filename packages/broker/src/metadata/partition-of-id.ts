// Which partition of `__consumer_offsets` keeps a group, and which of `__transaction_state` a transactional id: Kafka's
// rule, so that its own tools find both in our folders, and we in those it wrote.

/** By Java's hash of the text. */
export function partitionOfId(id: string, partitionCount: number): number {
  let hash = 0;
  for (let index = 0; index < id.length; index++) hash = (Math.imul(31, hash) + id.charCodeAt(index)) | 0;
  // -2^31 has no absolute value; Kafka takes it for 0.
  return hash === -2_147_483_648 ? 0 : Math.abs(hash) % partitionCount;
}
