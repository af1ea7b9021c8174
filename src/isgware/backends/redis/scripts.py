"""What Redis does in one step for us: Lua, one script per operation.

Rules. Every key of a store bears one hash tag, so all lie in one slot of a cluster, and a script
may name keys beside the one it is given (``KEYS[1]``, the state). What must hold is in two keys,
the state and the names; each holds the nonce, so a store that lost either (flushed, evicted) is
noticed, and gets a new nonce. So is a server that was started anew, since it may have come back
without its last moments. All else may be lost at any time: rows and indexes are a catalogue, and
what names a page that is gone leaves them when it is met.

Redis refuses writes that need memory when it is full, unless the script has written before. So what
must not fail for want of a few bytes (invalidations, leases) begins with an idle ``DEL``; a page
begins with its ``SET``, which is refused as a whole.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from .dependent_tables import TABLES
from .page_index import INDEX

_PRELUDE: Final = (
    """
local P = string.sub(KEYS[1], 1, -6)
local STATE, NAMES, ROWS, PATHS, ENDS = KEYS[1], P..'names', P..'rows', P..'paths', P..'ends'
local HARD = P..'hard'
local VERSIONS, KEPT = P..'versions', P..'kept'
local NOTES, USED = P..'notes', {[0] = P..'used:0', [1] = P..'used:1'}

-- A key of another type in our place is nobody's: replace it.
local function zadd(key, score, member)
  local done = redis.pcall('ZADD', key, score, member)
  if type(done) == 'table' and done.err then
    redis.call('DEL', key)
    redis.call('ZADD', key, score, member)
  end
end

local function text(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and found or nil
end

local function decoded(json)
  local ok, value = pcall(cjson.decode, json)
  return ok and type(value) == 'table' and value or nil
end

-- Who may not publish is told of by the counter, a second later.
local function tell(message)
  redis.pcall('PUBLISH', P..'news', message)
end

local function renew(fresh, run)
  redis.call('DEL', STATE, NAMES, HARD)
  redis.call('HSET', STATE, 'nonce', fresh, 'counter', 0, 'floor', 0, 'forgotten', 0, 'run', run,
    'soft_floor', 0)
  redis.call('ZADD', NAMES, 0, '='..fresh)
  redis.call('ZADD', HARD, 0, '='..fresh)
  tell(fresh..' 0 -')
  return {fresh, '0', '0', '0', run, '0'}
end

-- Nonce, counter, floor, what was forgotten, run, soft floor. A server that was started anew may
-- have come back without its last moments, and a replica that took over may never have had them.
local function state(fresh)
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
  local it = redis.call('HMGET', STATE, 'nonce', 'counter', 'floor', 'forgotten', 'run',
    'soft_floor')
  if it[1] and it[2] and it[3] and it[4] and it[5] == run
      and redis.call('ZSCORE', NAMES, '='..it[1]) then
    if not it[6] then  -- of an earlier release, which has hard names among the others
      redis.call('ZADD', HARD, 0, '='..it[1])
      redis.call('HSET', STATE, 'soft_floor', 0)
      it[6] = '0'
    end
    if redis.call('ZSCORE', HARD, '='..it[1]) then return it end
  end
  return renew(fresh, run)
end

local function range(key, from, to)
  local found = redis.pcall('GETRANGE', key, from, to)
  return type(found) == 'string' and found or ''
end

-- Where the head of a page stands: before its bodies, or, if it was written later, on its own,
-- behind the mark of those bodies (their first 13 bytes).
local function head_of(key)
  local page, head = P..'page:'..key, P..'head:'..key
  local mark = range(head, 0, 12)
  return mark ~= '' and mark == range(page, 0, 12) and head or page
end

-- Nonce, generation, order of a page, from the 128 bytes behind it.
local function standing(key)
  local found = decoded(range(head_of(key), -128, -1))
  return found and type(found[2]) == 'number' and type(found[3]) == 'number' and found or nil
end

local function equal(one, other)
  return one[1] == other[1] and one[2] == other[2] and one[3] == other[3]
end

-- Whether the page of this standing is newer than that of ``it``.
local function newer(kept, it, fresh)
  if kept[1] ~= it.nonce then return kept[1] == state(fresh)[1] end
  return kept[2] > it.generation or (kept[2] == it.generation and kept[3] > it.order)
end

"""
    + INDEX
    + """
-- Take a page out of the catalogue. True if it stood there. ``depends``: of the row that is listed
-- in its place.
local function unlist(key, depends)
  local row = decoded(redis.call('HGET', ROWS, key) or '')
  reindex(key, row and row.depends, depends)
  redis.call('ZREM', USED[0], key)
  redis.call('ZREM', USED[1], key)
  redis.call('ZREM', ENDS, key)
  if not row then return false end
  redis.call('HDEL', ROWS, key)
  redis.call('HINCRBY', ROWS, row.error_quota and '=1' or '=0', -row.bytes)
  local member = row.path..'\\0'..key
  redis.call('ZREM', PATHS, member)
  for _, tag in ipairs(row.tags) do redis.pcall('ZREM', P..'tag:'..tag, member) end
  if row.variant ~= '' then redis.pcall('ZREM', P..'variants:'..row.page_key, key) end
  return true
end

local function list(key, row, json, used)
  local kind, member = row.error_quota and 1 or 0, row.path..'\\0'..key
  redis.call('HSET', ROWS, key, json)
  redis.call('HINCRBY', ROWS, '='..kind, row.bytes)
  redis.call('ZADD', USED[kind], used, key)
  redis.call('ZADD', ENDS, row.keep_until, key)
  redis.call('ZADD', PATHS, 0, member)
  for _, tag in ipairs(row.tags) do zadd(P..'tag:'..tag, 0, member) end
end

-- Previous versions of a page: a list, whose bytes are counted, in the order of their writing.
local function forget(key)
  local bytes = redis.call('HGET', KEPT, key)
  if bytes then
    redis.call('HDEL', KEPT, key)
    redis.call('HINCRBY', KEPT, '=', 0 - bytes)
  end
  redis.call('ZREM', VERSIONS, key)
  redis.call('DEL', P..'versions:'..key)
end

local function drop(key)
  unlist(key)
  forget(key)
  redis.call('DEL', P..'page:'..key, P..'head:'..key)
end
"""
)

_ROWS: Final = """
local index = ARGV[1]
local found = {}
local members = redis.call('ZRANGEBYLEX', P..index, ARGV[2], '+', 'LIMIT', 0, ARGV[3])
for _, member in ipairs(members) do
  local key = string.match(member, '%z([^%z]*)$') or ''
  local json = redis.call('HGET', ROWS, key)
  if json and redis.call('EXISTS', P..'page:'..key) == 1 then
    found[#found + 1] = json
  else
    unlist(key)
    redis.call('ZREM', P..index, member)
  end
end
return {members[#members] or '', #members, found}
"""

_SYNC: Final = """
local it = state(ARGV[1])
local since = tonumber(ARGV[3])
if it[1] == ARGV[2] and since > tonumber(it[2]) then it = renew(ARGV[1], it[5]) end
if it[1] ~= ARGV[2] then since = 0 end
local names = redis.call('ZRANGEBYSCORE', NAMES, '('..since, '+inf', 'WITHSCORES')
for _, each in ipairs(redis.call('ZRANGEBYSCORE', HARD, '('..since, '+inf', 'WITHSCORES')) do
  names[#names + 1] = each
end
local told, floor = {}, '0'
if redis.call('HEXISTS', STATE, 'writes') == 1 then
  dependencies(ARGV[1])
  it[2] = redis.call('HGET', STATE, 'counter')
  floor = redis.call('HGET', STATE, 'told_floor')
  local rows = redis.call('ZRANGEBYSCORE', TOLD, '('..since, '+inf', 'WITHSCORES')
  for at = 1, #rows, 2 do
    if #rows[at] == 8 then
      told[#told + 1] = rows[at]
      told[#told + 1] = rows[at + 1]
      told[#told + 1] = redis.call('HGET', SAID, rows[at]) or ''
    end
  end
end
return {it[1], it[2], it[3], it[4], names, it[6], told, floor}
"""

#: Hard names have a limit of their own, so that no number of soft ones makes them forgotten. Beyond
#: it the names longest untouched go; what they covered can no longer be told from what they did
#: not, so everything rendered before them is gone, or stale if all were soft: the floors.
_ANNOUNCE: Final = """
redis.call('DEL', P..'room')
local nonce = state(ARGV[1])[1]
local limit = tonumber(ARGV[4])
local counter = redis.call('HINCRBY', STATE, 'counter', 1)
local names = ARGV[2] == 'h' and HARD or NAMES
for at = 5, #ARGV do redis.call('ZADD', names, counter, ARGV[2]..ARGV[at]) end
local count = redis.call('ZCARD', names) - 1
if count > limit then
  local going = math.max(1, count - math.floor(limit * 9 / 10))
  local last = redis.call('ZRANGE', names, going, going, 'WITHSCORES')[2]
  local known = redis.call('HMGET', STATE, 'floor', 'soft_floor', 'forgotten')
  local floors = {h = tonumber(known[1]), s = tonumber(known[2]), p = 0}
  local lost = redis.call('ZRANGEBYSCORE', names, 1, last, 'WITHSCORES')
  for at = 1, #lost, 2 do
    local kind = string.sub(lost[at], 1, 1)
    floors[kind] = math.max(floors[kind], tonumber(lost[at + 1]))
  end
  redis.call('ZREMRANGEBYSCORE', names, 1, last)
  redis.call('HSET', STATE, 'floor', floors.h, 'soft_floor', floors.s,
    'forgotten', math.max(tonumber(known[3]), tonumber(last)))
end
tell(nonce..' '..counter..' '..ARGV[3])
return counter
"""

#: Redis's own clock ends a lease, since clocks of hosts differ. Between processes of one host its
#: clock does too; an end further away than any lease lasts was set before that was put back.
_ACQUIRE: Final = """
local name, now, ttl = P..'lease:'..ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local mine, held = decoded(ARGV[3]), decoded(text(name) or '')
if held and held.token then
  local left = held['until'] - now
  local ended = held.host == mine.host and (left <= 0 or left > 2 * ttl)
  if not ended and held.generation >= tonumber(ARGV[6]) then return false end
end
redis.call('DEL', P..'room')
state(ARGV[1])
local order = redis.call('HINCRBY', STATE, 'order', 1)
redis.call('SET', name, ARGV[3], 'PX', math.ceil(ttl * 1000))
return order
"""

_RENEW: Final = """
local name = P..'lease:'..ARGV[2]
local held = decoded(text(name) or '')
if not held or held.token ~= ARGV[3] then return 0 end
held['until'] = tonumber(ARGV[4]) + tonumber(ARGV[5])
redis.call('DEL', P..'room')
redis.call('SET', name, cjson.encode(held), 'PX', math.ceil(tonumber(ARGV[5]) * 1000))
return 1
"""

_RELEASE: Final = """
local name = P..'lease:'..ARGV[2]
local held = decoded(text(name) or '')
if held and held.token == ARGV[3] then redis.call('DEL', name) end
return 1
"""

_NOTE: Final = """
redis.call('SET', P..'note:'..ARGV[2], ARGV[3], 'PX', ARGV[4])
local last = redis.call('ZREVRANGE', NOTES, 0, 0, 'WITHSCORES')[2]
redis.call('ZADD', NOTES, (last or 0) + 1, ARGV[2])
local excess = redis.call('ZCARD', NOTES) - tonumber(ARGV[5])
if excess > 0 then
  local gone = redis.call('ZPOPMIN', NOTES, math.min(excess, 500))
  for at = 1, #gone, 2 do redis.call('DEL', P..'note:'..gone[at]) end
end
return 1
"""

_PING: Final = """
redis.call('DEL', P..'room')
for key, kind in pairs({
  [STATE] = 'hash', [NAMES] = 'zset', [ROWS] = 'hash', [PATHS] = 'zset', [ENDS] = 'zset',
  [NOTES] = 'zset', [HARD] = 'zset', [USED[0]] = 'zset', [USED[1]] = 'zset',
  [VERSIONS] = 'zset', [KEPT] = 'hash', [DEPENDENTS] = 'hash',
}) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end
return state(ARGV[1])[1]
"""


class Script:
    """A script and the name that Redis gives it."""

    def __init__(self, body: str) -> None:
        self.text = _PRELUDE + body
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Any, state: str, *arguments: Any) -> Any:
        """Run it by its name; its text is sent only to a server that does not know it yet."""
        try:
            return client.evalsha(self.sha, 1, state, *arguments)
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
            return client.eval(self.text, 1, state, *arguments)


DELETE: Final = Script("drop(ARGV[2]) return 1")
TOUCH: Final = Script(
    "for at = 3, #ARGV do for kind = 0, 1 do "
    "redis.call('ZADD', USED[kind], 'XX', ARGV[2], ARGV[at]) end end return 1"
)
ROWS: Final = Script(_ROWS)
SYNC: Final = Script(TABLES + _SYNC)
ANNOUNCE: Final = Script(_ANNOUNCE)
ACQUIRE: Final = Script(_ACQUIRE)
RENEW: Final = Script(_RENEW)
RELEASE: Final = Script(_RELEASE)
NOTE: Final = Script(_NOTE)
DROP_NOTE: Final = Script(
    "redis.call('DEL', P..'note:'..ARGV[2]) redis.call('ZREM', NOTES, ARGV[2]) return 1"
)
STANDING: Final = Script(
    "local it = standing(ARGV[2]) "
    "return it and {it[1], string.format('%d', it[2]), string.format('%d', it[3])}"
)
PING: Final = Script(_PING)
#: Pages and their bytes, error pages included.
SIZES: Final = Script(
    "local bytes = redis.call('HMGET', ROWS, '=0', '=1') "
    "return {redis.call('ZCARD', PATHS), "
    "string.format('%d', (tonumber(bytes[1]) or 0) + (tonumber(bytes[2]) or 0))}"
)
