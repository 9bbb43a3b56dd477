-- KEYS: meta, runs and slots of the tenant, slots of the package; ARGV: now or '', package. Answers {0, now, counts…}.
local store, fault = open(KEYS[1], ARGV[1])
if fault then
  return fault
end
return usage(KEYS[2], KEYS[3], KEYS[4], ARGV[2], store.now)
