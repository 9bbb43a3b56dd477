-- KEYS: meta, tenants; ARGV: now or '', how the keys of the tenants' slots begin. Answers tenant, count, tenant, …
local store, fault = open(KEYS[1], ARGV[1])
if fault then
  return fault
end
local found = {}
for _, tenant in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. text(store.now), '+inf')) do
  local leases = count(ARGV[2] .. tenant, store.now)
  if leases > 0 then
    found[#found + 1] = tenant
    found[#found + 1] = leases
  end
end
return found
