-- KEYS: meta, runs of the tenant; ARGV: now or '', run. Answers {now, lease}, or nothing.
local store, fault = open(KEYS[1], ARGV[1])
if fault then
  return fault
end
local held = redis.call('HGET', KEYS[2], ARGV[2])
if held then
  local _, expires = read(held)
  if expires > store.now then
    return {store.now, held}
  end
end
return false
