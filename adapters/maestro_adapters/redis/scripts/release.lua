-- KEYS: meta, runs and slots of the tenant
-- ARGV: now or '', run, token, how the keys of its packages' slots begin
-- Answers 0 when the run holds no lease, 1 when it was released, 2 when it has another token.
local meta, runs, slots = unpack(KEYS)
local given, run, token, packages = unpack(ARGV)
local store, fault = open(meta, given)
if fault then
  return fault
end
local held = redis.call('HGET', runs, run)
if not held then
  return 0
end
local mine, expires = read(held)
if expires <= store.now then
  return 0
end
if text(mine) ~= token then
  return 2
end
redis.call('HDEL', runs, run)
redis.call('ZREM', slots, run)
redis.call('ZREM', packages .. package_of(held), run)
keep(meta, store)
return 1
