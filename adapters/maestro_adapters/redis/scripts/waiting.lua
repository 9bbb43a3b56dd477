-- KEYS: meta, the tenant's queue; ARGV: now or '', then what to do and with what:
-- keep, ticket or '' for a new one, how long, what the caller packed · leave, ticket · ring, channel, tenant · queue.
local store, fault = open(KEYS[1], ARGV[1])
if fault then
  return fault
end
local queue, what = KEYS[2], ARGV[2]
if what == 'keep' then
  local ticket = ARGV[3]
  if ticket == '' then
    ticket = text(redis.call('HINCRBY', KEYS[1], 'ticket', 1))
  end
  redis.call('HSET', queue, ticket, struct.pack('>d', store.now + tonumber(ARGV[4])) .. ARGV[5])
  outlast(queue, store, tonumber(ARGV[4]))
  return tonumber(ticket)
elseif what == 'leave' then
  return redis.call('HDEL', queue, ARGV[3])
elseif what == 'ring' then
  -- A release that nobody waits for is told to nobody.
  return redis.call('EXISTS', queue) == 1 and redis.call('PUBLISH', ARGV[3], ARGV[4]) or 0
end
local found, all = {}, redis.call('HGETALL', queue)
for i = 1, #all, 2 do
  if struct.unpack('>d', all[i + 1]) > store.now then
    found[#found + 1] = {tonumber(all[i]), string.sub(all[i + 1], 9)}
  else
    redis.call('HDEL', queue, all[i])
  end
end
return found
