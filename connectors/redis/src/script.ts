// The one script that writes a batch: fence, data and progress marker of a batch change together or not at all.
//
// Order of two writes of one key: (topic id, partition, Kafka offset) of their records, kept beside the key in a
// fence key of the same hash slot. A write that is not newer than the fence of its own lineage is a repeat and is
// left out; another lineage (a topic made anew, another partition count) starts over.
//
// A batch has many writes that look alike, and each argument costs Redis about as much as a lookup. So what writes have
// in common stands once before them.
//
// KEYS: data key and fence key of each write, then the marker key of each partition.
// ARGV: the runs, number of writes, number of markers, fence time to live in ms, time to live in ms (0 = none), stream
//   length (0 = any);
//   per marker: lineage, the marker as we know it ('' = any), the next offset;
//   per write: offset, then its values.
// A run is four words: kind, index of the marker with the lineage (0 = none), values per write, number of writes.
// Values are the document for set; field, value, ... for append; '+' or '-', field, value, ... for replace and merge.
// Answer: {'ok', writes done}, or {'lost', index of the marker, its value or ''} with nothing written.

export const WRITE_BATCH = `
local call, sub, tonumber = redis.call, string.sub, tonumber
local writes, markers, fenceTtl, ttl, maxLength = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), ARGV[6]
local at = 7
for m = 1, markers do
  local expected = ARGV[at + 1]
  if expected ~= '' then
    local held = call('GET', KEYS[2 * writes + m]) or ''
    if held ~= expected then return {'lost', m, held} end
  end
  at = at + 3
end
local done, w = 0, 0
for kind, marker, n, count in string.gmatch(ARGV[1], '(%a+) (%d+) (%d+) (%d+)') do
  n, marker = tonumber(n), tonumber(marker)
  local lineage = ''
  if marker > 0 then lineage = ARGV[4 + 3 * marker] end
  local prefix = lineage .. ':'
  local size = #prefix
  for _ = 1, tonumber(count) do
    w = w + 1
    local key, fence, offset = KEYS[2 * w - 1], KEYS[2 * w], ARGV[at]
    local first = at + 1
    at = first + n
    local held = call('GET', fence)
    local repeated = false
    if held and sub(held, 1, size) == prefix then
      local heldOffset = tonumber(sub(held, size + 1))
      repeated = heldOffset ~= nil and heldOffset >= tonumber(offset)
    end
    if not repeated then
      done = done + 1
      if kind == 'set' then
        call('SET', key, ARGV[first])
      elseif kind == 'delete' then
        call('DEL', key)
      elseif kind == 'append' then
        if maxLength == '0' then call('XADD', key, '*', unpack(ARGV, first, at - 1))
        else call('XADD', key, 'MAXLEN', '~', maxLength, '*', unpack(ARGV, first, at - 1)) end
      else
        if kind == 'replace' then call('DEL', key) end
        for i = first, at - 3, 3 do
          if ARGV[i] == '+' then call('HSET', key, ARGV[i + 1], ARGV[i + 2]) else call('HDEL', key, ARGV[i + 1]) end
        end
      end
      if ttl > 0 and kind ~= 'delete' then call('PEXPIRE', key, ttl) end
      local mark = prefix .. offset
      if kind == 'delete' then call('SET', fence, mark, 'PX', fenceTtl)
      elseif ttl > 0 then call('SET', fence, mark, 'PX', ttl + tonumber(fenceTtl))
      else call('SET', fence, mark) end
    end
  end
end
at = 7
for m = 1, markers do
  call('SET', KEYS[2 * writes + m], ARGV[at] .. ':' .. ARGV[at + 2])
  at = at + 3
end
return {'ok', done}
`;

/** How the fence of a key without braces begins. */
export const FENCE_PREFIX = 'millrace:fence:{';

/** The key that holds the order of a data key's last write; it hashes to the same slot of a cluster. */
export function fenceKey(key: string, suffix = ''): string {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const tag = close > open + 1 ? key.slice(open + 1, close) : key;
  // Braces in a key without a hash tag would end ours early; such a key is its own slot only as a whole.
  return `${FENCE_PREFIX}${tag}}${tag === key ? '' : `:${key}`}${suffix}`;
}

/** The key that says how far a topic partition was written. */
export function markerKey(connector: string, topic: string, partition: number): string {
  return `millrace:marker:${connector}:${topic}:${partition}`;
}
