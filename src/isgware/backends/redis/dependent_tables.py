"""The tables of `isgware.backends.dependents` in Redis, as Lua that comes before a script.

``told`` and ``unheard`` are sorted sets of names, ``said`` what was told of them, ``shapes`` a set;
each but ``said`` holds the nonce, and ``known``, a Bloom filter of 8 MiB, a bit behind its last, so
that a table that was lost is noticed. Then all begin anew, and every page with dependencies is
stale.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = """
local TOLD, SAID, UNHEARD = P..'told', P..'said', P..'unheard'
local SHAPES, KNOWN = P..'shapes', P..'known'
local BITS = 67108864

local function begin_anew(nonce)
  redis.call('DEL', TOLD, SAID, UNHEARD, SHAPES, KNOWN)
  redis.call('ZADD', TOLD, 0, '='..nonce)
  redis.call('ZADD', UNHEARD, 0, '='..nonce)
  redis.call('SADD', SHAPES, '='..nonce)
  redis.call('SETBIT', KNOWN, BITS, 1)
  if redis.call('HEXISTS', STATE, 'writes') == 0 then  -- no page of this nonce has dependencies
    redis.call('HSET', STATE, 'writes', 0, 'shapes', 0, 'told_floor', 0, 'unheard_floor', 0,
      'known', 0)
    return redis.call('HGET', STATE, 'counter')
  end
  local counter = redis.call('HINCRBY', STATE, 'counter', 1)
  local writes = redis.call('HINCRBY', STATE, 'writes', 1)
  redis.call('HINCRBY', STATE, 'shapes', 1)
  redis.call('HSET', STATE, 'told_floor', counter, 'unheard_floor', writes, 'known', 0)
  tell(nonce..' '..counter..' -')
  return counter
end

-- `known` and the shapes are emptied, and every page with dependencies is stale.
local function rotate(nonce)
  redis.call('UNLINK', SHAPES, KNOWN)
  redis.call('SADD', SHAPES, '='..nonce)
  redis.call('SETBIT', KNOWN, BITS, 1)
  local counter = redis.call('HINCRBY', STATE, 'counter', 1)
  redis.call('HINCRBY', STATE, 'shapes', 1)
  redis.call('HSET', STATE, 'told_floor', counter, 'known', 0)
  tell(nonce..' '..counter..' -')
  return counter
end

local function there(found)
  return found and type(found) ~= 'table' and found ~= 0
end

-- Nonce, writes, version of the shapes.
local function dependencies(fresh)
  local nonce = state(fresh)[1]
  if not (there(redis.pcall('ZSCORE', TOLD, '='..nonce))
      and there(redis.pcall('ZSCORE', UNHEARD, '='..nonce))
      and there(redis.pcall('SISMEMBER', SHAPES, '='..nonce))
      and there(redis.pcall('GETBIT', KNOWN, BITS))
      and redis.call('HGET', STATE, 'unheard_floor')) then
    begin_anew(nonce)
  end
  local it = redis.call('HMGET', STATE, 'writes', 'shapes')
  return {nonce, it[1], it[2]}
end

-- Call ``work`` with each name that is not known, its place in the filter, the word that is there
-- and the bits that it would have besides. A name is four bits of one word; 1,000 words are read at
-- once, since one by one, and bit by bit, a page of 1,000 names took 12 ms.
local function each_unknown(names, work)
  local one = {}
  for at = 0, 31 do one[at] = bit.lshift(1, at) end
  for start = 1, #names, 1000 do
    local last, bits, asked = math.min(start + 999, #names), {}, {}
    for at = start, last do
      local a, b, c, d, e, f, g = string.byte(names[at], 1, 7)
      bits[#bits + 1] = bit.bor(one[d % 32], one[e % 32], one[f % 32], one[g % 32])
      local size = #asked
      asked[size + 1], asked[size + 2] = 'GET', 'u32'
      asked[size + 3] = (a * 65536 + b * 256 + c) * 32 % BITS
    end
    local words = redis.call('BITFIELD', KNOWN, unpack(asked))
    for at = 1, #bits do
      if bit.band(words[at], bits[at]) ~= bits[at] then
        work(names[start + at - 1], asked[3 * at], words[at], bits[at])
      end
    end
  end
end

-- Make names known. Returns how many were not.
local function learn(names)
  local words, count, asked = {}, 0, {}
  each_unknown(names, function(_, place, word, bits)
    words[place] = bit.bor(words[place] or word, bits)
    count = count + 1
  end)
  for place, word in pairs(words) do
    local size = #asked
    asked[size + 1], asked[size + 2], asked[size + 3] = 'SET', 'u32', place
    asked[size + 4] = word % 4294967296
    if size > 4000 then
      redis.call('BITFIELD', KNOWN, unpack(asked))
      asked = {}
    end
  end
  if #asked > 0 then redis.call('BITFIELD', KNOWN, unpack(asked)) end
  return count
end

-- Whether any of the names was told after that write, though nobody depended on it.
local function any_unheard(names, writes)
  local some = redis.call('ZRANGEBYSCORE', UNHEARD, '('..writes, '+inf', 'LIMIT', 0, #names)
  if #some < #names then
    local told = {}
    for _, name in ipairs(some) do told[name] = true end
    for _, name in ipairs(names) do if told[name] then return true end end
    return false
  end
  for _, name in ipairs(names) do
    local number = redis.call('ZSCORE', UNHEARD, name)
    if number and tonumber(number) > writes then return true end
  end
  return false
end

-- Forget the oldest tenth of a table that is too long; they raise its floor.
local function trim(table, limit, floor)
  local count = redis.call('ZCARD', table) - 1
  if count <= limit then return end
  local going = count - math.floor(limit * 9 / 10)
  local last = redis.call('ZRANGE', table, going, going, 'WITHSCORES')[2]
  if table == TOLD then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', table, 1, last)) do
      redis.call('HDEL', SAID, name)
    end
  end
  redis.call('ZREMRANGEBYSCORE', table, 1, last)
  local known = tonumber(redis.call('HGET', STATE, floor) or 0)
  if tonumber(last) > known then redis.call('HSET', STATE, floor, last) end
end

local function all_shapes(it)
  local found = {0, it[1], it[3]}
  for _, shape in ipairs(redis.call('SMEMBERS', SHAPES)) do
    if string.sub(shape, 1, 1) ~= '=' then found[#found + 1] = shape end
  end
  return found
end
"""
