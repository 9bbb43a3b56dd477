-- KEYS: meta, tenants, runs and slots of the tenant, slots of the package
-- ARGV: now or '', run, microseconds held, microseconds expected or 0, caps of tenant and package or '', ttl and what
--       the caller packed, tenant, package
-- Answers {0, now, counts…} when there is no room, {1, now, lease} when the run holds one, {2, now, token} for a new.
local meta, tenants, runs, slots, package = unpack(KEYS)
local given, run, lasts, takes, tenant_cap, package_cap, packed, tenant, name = unpack(ARGV)
local store, fault = open(meta, given)
if fault then
  return fault
end
local now = store.now

local held = redis.call('HGET', runs, run)
if held then
  local _, expires = read(held)
  if expires > now then
    return {1, now, held}
  end
end
if (tenant_cap ~= '' and count(slots, now) >= tonumber(tenant_cap))
  or (package_cap ~= '' and count(package, now) >= tonumber(package_cap)) then
  return usage(runs, slots, package, name, now)
end

-- Tokens are at least the clock, so they go on growing on a server that has lost the last ones, or all data. This is the
-- first write, and one that a server without memory refuses: then nothing has changed.
store.fence = math.max(store.fence + 1, now)
keep(meta, store)

-- Expired leases count nowhere; a few are forgotten whenever one is added, so they never pile up.
local dead = redis.call('ZRANGEBYSCORE', slots, '-inf', text(now), 'LIMIT', 0, 100)
if #dead > 0 then
  redis.call('HDEL', runs, unpack(dead))
  redis.call('ZREM', slots, unpack(dead))
end
redis.call('ZREMRANGEBYSCORE', package, '-inf', text(now))
redis.call('ZREMRANGEBYSCORE', tenants, '-inf', text(now))

lasts, takes = tonumber(lasts), tonumber(takes)
local ends = takes > 0 and now + takes or 0
redis.call('HSET', runs, run, struct.pack('>ddd', store.fence, now + lasts, ends) .. packed)
slot(store, lasts, tenants, tenant, slots, package, runs, run)
return {2, now, store.fence}
