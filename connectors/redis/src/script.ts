// The one script that writes a batch: fence, data and progress marker of a batch change together or not at all.
//
// Order of two writes of one key: (topic id, partition, Kafka offset) of their records, kept beside the key in a
// fence key of the same hash slot. A write that is not newer than the fence of its own lineage is a repeat and is
// left out; another lineage (a topic made anew, another partition count) starts over.
//
// KEYS: data key and fence key of each write, then the marker key of each partition.
// ARGV: number of writes, number of markers, fence time to live in ms;
//   per marker: lineage, the marker as we know it ('' = any), the next offset;
//   per write: kind, lineage, offset, time to live in ms (0 = none), stream length (0 = any), n, then n values.
// Answer: {'ok', writes done}, or {'lost', index of the marker, its value or ''} with nothing written.

export const WRITE_BATCH = `
local writes, markers, fenceTtl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local at = 4
for m = 1, markers do
  local expected = ARGV[at + 1]
  if expected ~= '' then
    local held = redis.call('GET', KEYS[2 * writes + m]) or ''
    if held ~= expected then return {'lost', m, held} end
  end
  at = at + 3
end
local done = 0
for w = 1, writes do
  local key, fence = KEYS[2 * w - 1], KEYS[2 * w]
  local kind, lineage, offset, ttl, maxLength, n = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], tonumber(ARGV[at + 5])
  local first = at + 6
  at = first + n
  local held = redis.call('GET', fence)
  local repeated = false
  if held then
    local heldLineage, heldOffset = string.match(held, '^(.*):(%d+)$')
    repeated = heldLineage == lineage and tonumber(heldOffset) >= tonumber(offset)
  end
  if not repeated then
    done = done + 1
    if kind == 'set' then
      redis.call('SET', key, ARGV[first])
    elseif kind == 'delete' then
      redis.call('DEL', key)
    elseif kind == 'append' then
      if maxLength == '0' then redis.call('XADD', key, '*', unpack(ARGV, first, at - 1))
      else redis.call('XADD', key, 'MAXLEN', '~', maxLength, '*', unpack(ARGV, first, at - 1)) end
    else
      if kind == 'replace' then redis.call('DEL', key) end
      for i = first, at - 3, 3 do
        if ARGV[i] == '+' then redis.call('HSET', key, ARGV[i + 1], ARGV[i + 2]) else redis.call('HDEL', key, ARGV[i + 1]) end
      end
    end
    if ttl > 0 and kind ~= 'delete' then redis.call('PEXPIRE', key, ttl) end
    local mark = lineage .. ':' .. offset
    if kind == 'delete' then redis.call('SET', fence, mark, 'PX', fenceTtl)
    elseif ttl > 0 then redis.call('SET', fence, mark, 'PX', ttl + tonumber(fenceTtl))
    else redis.call('SET', fence, mark) end
  end
end
at = 4
for m = 1, markers do
  redis.call('SET', KEYS[2 * writes + m], ARGV[at] .. ':' .. ARGV[at + 2])
  at = at + 3
end
return {'ok', done}
`;

/** The key that holds the order of a data key's last write; it hashes to the same slot of a cluster. */
export function fenceKey(key: string, suffix = ''): string {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  // Braces in a key without a hash tag would end ours early; such a key is its own slot only as a whole.
  return `millrace:fence:{${tag}}${tag === key ? '' : `:${key}`}${suffix}`;
}

/** The key that says how far a topic partition was written. */
export function markerKey(connector: string, topic: string, partition: number): string {
  return `millrace:marker:${connector}:${topic}:${partition}`;
}
