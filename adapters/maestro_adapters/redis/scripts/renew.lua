-- KEYS: meta, tenants, runs and slots of the tenant
-- ARGV: now or '', run, token, microseconds held, ttl packed, tenant, how the keys of its packages' slots begin
-- Answers {now, lease}, or nothing when the run does not hold a lease with that token.
local meta, tenants, runs, slots = unpack(KEYS)
local given, run, token, lasts, ttl, tenant, packages = unpack(ARGV)
local store, fault = open(meta, given)
if fault then
  return fault
end
local held = redis.call('HGET', runs, run)
if not held then
  return false
end
local mine, expires, ends = read(held)
if expires <= store.now or text(mine) ~= token then
  return false
end
-- A server without memory refuses a script by its first write; one that only removes lets the others pass, so who holds
-- a slot can keep it.
redis.call('ZREMRANGEBYSCORE', tenants, '-inf', text(store.now))
lasts = tonumber(lasts)
local renewed = struct.pack('>ddd', mine, store.now + lasts, ends) .. ttl .. string.sub(held, HEAD + #ttl + 1)
redis.call('HSET', runs, run, renewed)
slot(store, lasts, tenants, tenant, slots, packages .. package_of(held), runs, run)
keep(meta, store)
return {store.now, renewed}
