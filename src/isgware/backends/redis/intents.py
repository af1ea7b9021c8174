"""Intents, and when names were told, in Redis, as Lua that comes after that of `dependent_tables`.

``intents`` is a hash of what `packed` packs, ``intents:due`` says when each is told. ``times`` is a
hash of names, with the page whose render told it last, when, and when another did; ``times:at``
says when each was told. Both hold the nonce: if one is lost, every page is taken to be concerned.
The clock is that of Redis, since clocks of hosts differ.
"""

from __future__ import annotations

from typing import Final

from ..dependents import Intent

TABLES: Final = """
local INTENTS, DUE, TIMES, AT = P..'intents', P..'intents:due', P..'times', P..'times:at'
local FORMAT = '>dd'

local function clock()
  local now = redis.call('TIME')
  return tonumber(now[1]) + tonumber(now[2]) / 1000000
end

local function end_intent(token)
  redis.call('HDEL', INTENTS, token)
  redis.call('ZREM', DUE, token)
end

-- Since when nothing is forgotten. Whatever is lost begins anew.
local function times_floor(nonce, now)
  if redis.call('HGET', TIMES, '=') ~= nonce or not redis.call('ZSCORE', AT, '=') then
    redis.call('DEL', TIMES, AT)
    redis.call('HSET', TIMES, '=', nonce)
    redis.call('ZADD', AT, 'NX', '+inf', '=')
    redis.call('HSET', STATE, 'lag_floor', string.format('%.6f', now))
  end
  return tonumber(redis.call('HGET', STATE, 'lag_floor') or 0)
end

local function note_times(nonce, names, page, limit)
  if not redis.call('HGET', STATE, 'lag') then return end
  local now = clock()
  times_floor(nonce, now)
  for _, name in ipairs(names) do
    local other, known = 0, redis.call('HGET', TIMES, name)
    if known then
      local at, before = struct.unpack(FORMAT, known)
      other = string.sub(known, 17) == page and before or at
    end
    redis.call('HSET', TIMES, name, struct.pack(FORMAT, now, other)..page)
    redis.call('ZADD', AT, now, name)
  end
  local excess = redis.call('ZCARD', AT) - 1 - limit
  if excess > 0 then
    local gone = redis.call('ZRANGE', AT, 0, excess + math.floor(limit / 10), 'WITHSCORES')
    for at = 1, #gone, 2 do
      if gone[at] ~= '=' then
        redis.call('ZREM', AT, gone[at])
        redis.call('HDEL', TIMES, gone[at])
        redis.call('HSET', STATE, 'lag_floor', gone[at + 1])
      end
    end
  end
end

-- When a name was told by anybody but a render of the page.
local function told_at(name, page)
  local known = redis.call('HGET', TIMES, name)
  if not known then return 0 end
  local at, other = struct.unpack(FORMAT, known)
  return page ~= '' and string.sub(known, 17) == page and other or at
end
"""

#: Count of intents that end, and their tokens; then pairs of a name and what is said of it.
TELL: Final = """
-- Known names move the counter, and are returned; the others are unheard.
local function tell_names(it, pairs_of, sender, limit, unheard_limit)
  local writes = redis.call('HINCRBY', STATE, 'writes', 1)
  local names, nobody, heard, counter = {}, {}, {}, nil
  for _, pair in ipairs(pairs_of) do names[#names + 1] = pair[1] end
  each_unknown(names, function(name)
    nobody[name] = true
    redis.call('ZADD', UNHEARD, writes, name)
  end)
  for at, name in ipairs(names) do
    if not nobody[name] then
      counter = counter or redis.call('HINCRBY', STATE, 'counter', 1)
      redis.call('ZADD', TOLD, counter, name)
      redis.call('HSET', SAID, name, pairs_of[at][2])
      heard[#heard + 1] = name
    end
  end
  trim(UNHEARD, unheard_limit, 'unheard_floor')
  if counter then
    trim(TOLD, limit, 'told_floor')
    tell(it[1]..' '..counter..' '..sender)
  end
  return heard
end
"""

ANNOUNCE: Final = """
redis.call('DEL', P..'room')
state(ARGV[1])
if redis.call('HLEN', INTENTS) >= tonumber(ARGV[5]) then return 0 end
local now = clock()
redis.call('HSET', INTENTS, ARGV[2], string.format('%.6f ', now)..ARGV[3])
redis.call('ZADD', DUE, now + tonumber(ARGV[4]), ARGV[2])
return 1
"""

TELL_OVERDUE: Final = """
local now = clock()
local tokens = redis.call('ZRANGEBYSCORE', DUE, '-inf', now)
local later = redis.call('ZRANGEBYSCORE', DUE, now + 2 * tonumber(ARGV[6]), '+inf')
for _, token in ipairs(later) do tokens[#tokens + 1] = token end
if #tokens == 0 then return {0, 0} end
redis.call('DEL', P..'room')
local it = dependencies(ARGV[1])
local moved = 0
for _, token in ipairs(tokens) do
  local born, version, names, tables, rest = string.match(
    redis.call('HGET', INTENTS, token) or '', '^(%S+) (%S+) (%d+) (%d+) ()')
  if not born then
    end_intent(token)
  else
    local text = redis.call('HGET', INTENTS, token)
    local first, last = rest, rest + names - 1
    local said = string.sub(text, last + tables + 1)
    if version ~= it[3] then first, last = last + 1, last + tables end
    local told, only = {}, {}
    for at = first, last, 8 do
      told[#told + 1] = {string.sub(text, at, at + 7), said}
      only[#only + 1] = told[#told][1]
    end
    if #tell_names(it, told, ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])) > 0 then moved = 1 end
    note_times(it[1], only, '', tonumber(ARGV[8]))
    local age = now - tonumber(born)
    if age < 0 or age >= tonumber(ARGV[6]) then
      end_intent(token)
    else
      redis.call('ZADD', DUE, now + math.max(age, tonumber(ARGV[5])), token)
    end
  end
end
return {#tokens, moved}
"""

#: Lag, age of the render, page, count of names, names, names of tables it asks questions of.
SECONDS_LEFT: Final = """
redis.call('DEL', P..'room')
local it = dependencies(ARGV[1])
local now, lag = clock(), tonumber(ARGV[2])
local since = now - tonumber(ARGV[3]) - lag
local latest = times_floor(it[1], now)
if lag > tonumber(redis.call('HGET', STATE, 'lag') or 0) then
  redis.call('HSET', STATE, 'lag', ARGV[2], 'lag_floor', string.format('%.6f', now))
  latest = now
end
if redis.call('HGET', STATE, 'lag_version') ~= it[3] then
  redis.call('HSET', STATE, 'lag_version', it[3], 'lag_shapes', string.format('%.6f', now))
end
local count = #ARGV
if tonumber(redis.call('HGET', STATE, 'lag_shapes')) <= since then count = 5 + ARGV[5] end
for at = 6, count do latest = math.max(latest, told_at(ARGV[at], ARGV[4])) end
if latest <= since then return '' end
return string.format('%.6f', latest + lag - now)
"""


def packed(intent: Intent, version: int) -> bytes:
    head = f"{version} {len(intent.names)} {len(intent.tables)} ".encode()
    return head + intent.names + intent.tables + intent.said.encode()
