-- In front of every script. Instants are whole microseconds of the store's clock; a Lua number holds them, and the
-- fencing tokens that follow them, exactly until the year 2255.

local function text(number)
  return string.format('%.0f', number) -- tostring() would round to 14 digits
end

-- The store's clock is the server's, but does not go backward: a step back is made up for by the field 'behind', from
-- the last instant at which something was kept. `given` stands for the server's clock in tests.
local function open(meta, given)
  local state = redis.call('HMGET', meta, 'layout', 'fence', 'last', 'behind')
  if state[1] and state[1] ~= '1' then
    return nil, redis.error_reply('MAESTROLAYOUT ' .. state[1])
  end
  local now = tonumber(given)
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
  end
  local last, behind = tonumber(state[3] or '0'), tonumber(state[4] or '0')
  if now + behind < last then
    behind = last - now
    redis.call('HSET', meta, 'behind', text(behind))
  end
  return {now = now + behind, fence = tonumber(state[2] or '0'), real = given == ''}
end

local function keep(meta, store)
  redis.call('HSET', meta, 'layout', '1', 'fence', text(store.fence), 'last', text(store.now))
end

-- A lease is kept as token, expiry and expected end (0: not said) in 24 bytes, then the ttl in 8, then what the caller
-- packed: two numbers, the package with its length, the revision.
local HEAD, PACKAGE = 24, 52

local function read(value)
  return struct.unpack('>ddd', value)
end

local function package_of(value)
  return string.sub(value, PACKAGE + 1, PACKAGE + struct.unpack('>I4', value, PACKAGE - 3))
end

local function count(key, now)
  return redis.call('ZCOUNT', key, '(' .. text(now), '+inf')
end

-- Keys go by themselves a minute after the last lease in them, so that crashed holders leave nothing behind.
local function outlast(key, store, lasts)
  local milliseconds = math.ceil(lasts / 1000) + 60000
  if store.real and redis.call('PTTL', key) < milliseconds then
    redis.call('PEXPIRE', key, text(milliseconds))
  end
end

-- Count a lease until it expires, in the sets of its tenant and of its package.
local function slot(store, lasts, tenants, tenant, slots, package, runs, run)
  local expires = text(store.now + lasts)
  redis.call('ZADD', slots, expires, run)
  redis.call('ZADD', package, expires, run)
  local latest = redis.call('ZSCORE', tenants, tenant)
  if not latest or tonumber(latest) < store.now + lasts then
    redis.call('ZADD', tenants, expires, tenant)
  end
  outlast(slots, store, lasts)
  outlast(package, store, lasts)
  outlast(runs, store, lasts)
end

-- The counts, and the instants at which a slot of the tenant and of the package may free (0: none is held).
local function usage(runs, slots, package, name, now)
  local tenant_frees, package_frees = math.huge, math.huge
  for _, value in ipairs(redis.call('HVALS', runs)) do
    local _, expires, ends = read(value)
    if expires > now then
      local frees = expires
      if ends > now then
        frees = ends
      elseif ends > 0 then
        frees = math.min(expires, 2 * now - ends)
      end
      tenant_frees = math.min(tenant_frees, frees)
      if package_of(value) == name then
        package_frees = math.min(package_frees, frees)
      end
    end
  end
  return {
    0, now, count(slots, now), count(package, now),
    tenant_frees < math.huge and tenant_frees or 0, package_frees < math.huge and package_frees or 0,
  }
end
