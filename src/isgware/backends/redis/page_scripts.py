"""How a page is written in Redis: whole, or its head alone. The rules are those of `scripts`."""

from __future__ import annotations

from typing import Final

from .scripts import Script

_PUT: Final = """
local it, value, json, version = decoded(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local row, kept = decoded(json), standing(it.key)
if kept and newer(kept, it, ARGV[1]) then return false end
redis.call('SET', it.name, value, 'EX', it.ttl)
redis.call('DEL', P..'head:'..it.key)

local name = P..'versions:'..it.key
if not it.before or not kept or not equal(kept, it.before) then
  forget(it.key)
elseif redis.call('TYPE', name).ok == 'none' or redis.call('TYPE', name).ok == 'list' then
  local grown = 0
  if version ~= '' then
    redis.call('LPUSH', name, version)
    redis.call('ZADD', VERSIONS, it.now, it.key)
    grown = #version
  end
  while redis.call('LLEN', name) > it.keep do grown = grown - #redis.call('RPOP', name) end
  redis.call('HINCRBY', KEPT, it.key, grown)
  redis.call('HINCRBY', KEPT, '=', grown)
  if redis.call('EXPIRE', name, it.ttl) == 0 then forget(it.key) end
end

-- Where the order of use was evicted, and the rows were not, the limits would count pages that they
-- cannot choose from, and drop each that they can: the list begins anew.
local counted = redis.call('ZCARD', USED[0]) + redis.call('ZCARD', USED[1])
if redis.call('HLEN', ROWS) > counted + 2 then
  redis.call('UNLINK', ROWS, PATHS, ENDS, USED[0], USED[1])
end
if redis.call('HLEN', ROWS) == 0 then  -- so does the index, which knows every row from now on
  redis.call('UNLINK', DEPENDENTS)
  redis.call('HSET', DEPENDENTS, '=', 1)
end

local used = unlist(it.key, row.depends) and it.now or it.now - it.probation
list(it.key, row, json, used)

local gone = {}
local function out(key)
  if key ~= it.key then
    drop(key)
    gone[#gone + 1] = key
  end
end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', ENDS, '-inf', it.now, 'LIMIT', 0, 8)) do
  out(key)
end
if row.variant ~= '' then
  local variants = P..'variants:'..row.page_key
  zadd(variants, 0, it.key)
  redis.call('EXPIRE', variants, 2 * it.ttl)
  if redis.call('ZCARD', variants) > it.variants then
    local all = {}
    for _, key in ipairs(redis.call('ZRANGE', variants, 0, -1)) do
      if key ~= it.key then
        local score = redis.call('ZSCORE', USED[0], key) or redis.call('ZSCORE', USED[1], key)
        local used = tonumber(score or 0)
        all[#all + 1] = {key, used > it.now + it.probation and 0 or used}
      end
    end
    table.sort(all, function(a, b) return a[2] < b[2] end)
    for at = 1, #all + 1 - it.variants do
      redis.call('ZREM', variants, all[at][1])
      out(all[at][1])
    end
  end
end
-- Versions go before any page.
for _ = 1, 500 do
  local kept = tonumber(redis.call('HGET', KEPT, '=') or 0)
  local size = tonumber(redis.call('HGET', ROWS, '=0') or 0)
  if kept <= 0 or size + kept <= it.sizes[1] then break end
  local oldest = redis.call('ZRANGE', VERSIONS, 0, 0)[1]
  if oldest then forget(oldest) else redis.call('DEL', KEPT) end
end
-- Limits that were lowered are reached over several puts: no script holds others up for long. To
-- take a page out of the lists of all its names takes longer than to delete it.
for kind = 0, 1 do
  local left = 100
  while left > 0 do
    local size = tonumber(redis.call('HGET', ROWS, '='..kind) or 0)
    local over = redis.call('ZCARD', USED[kind]) - it.pages[kind + 1]
    if over < 1 and size > it.sizes[kind + 1] then over = 1 end
    if over < 1 then break end
    -- Used later than now, by a clock that was put back since: they would push out all that is new.
    local ahead = '('..(it.now + it.probation)
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', USED[kind], ahead, '+inf', 'LIMIT', 0, 500)) do
      redis.call('ZADD', USED[kind], it.now - 2 * it.probation, key)
    end
    local before = #gone
    for _, key in ipairs(redis.call('ZRANGE', USED[kind], 0, math.min(over, left))) do
      if #gone - before < over then out(key) end
    end
    if #gone == before then break end
    left = left - (#gone - before)
  end
end
table.insert(gone, 1, '')
return gone
"""

#: The bodies stay where they are. The new head is kept beside them, with their mark.
_PUT_HEAD: Final = """
local it, json = decoded(ARGV[2]), ARGV[4]
local kept = standing(it.key)
if not kept then return 0 end
if not equal(kept, it.before) then return 0 end
if newer(kept, it, ARGV[1]) then return 0 end
local page = P..'page:'..it.key
redis.call('SET', P..'head:'..it.key, range(page, 0, 12)..ARGV[3], 'EX', it.ttl)
redis.call('EXPIRE', page, it.ttl)
redis.call('EXPIRE', P..'versions:'..it.key, it.ttl)
local row = decoded(json)
unlist(it.key, row.depends)
list(it.key, row, json, it.now)
return 1
"""

_HISTORY: Final = """
local page = standing(ARGV[2])
if not page or type(page[4]) ~= 'number' or page[4] <= tonumber(ARGV[3]) then return {} end
local found = redis.pcall('LRANGE', P..'versions:'..ARGV[2], 0, -1)
return found.err and {} or found
"""

PUT: Final = Script(_PUT)
PUT_HEAD: Final = Script(_PUT_HEAD)
HISTORY: Final = Script(_HISTORY)
