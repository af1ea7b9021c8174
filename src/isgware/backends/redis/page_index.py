"""Which pages have a name of a dependency: the index of ``affected``, as Lua in every script.

It is one hash. Under a name stand the ids of its pages, 8 bytes each, one after the other; under
``k`` and an id stands the page's key. `unlist` keeps it in step with the rows. Whoever reads it
looks at the page's row all the same: rows may be evicted, and releases without an index change
them. A name that more than `MANY` pages have is marked ``*``, and its pages are found by looking at
every row. ``=`` says that the index knows every row; if it was evicted, the next ``affected`` looks
at every row, and enters them.
"""

from __future__ import annotations

from typing import Final

from ...core.dependency_names import EVERY
from .values import name_text

#: Pages of one name in the index. Redis copies as many ids with each page that is added.
MANY: Final = 1_000
INDEX: Final = (
    f"""
local DEPENDENTS, MANY, EVERY = P..'dependents', {MANY}, '{name_text(EVERY)}'
"""
    + """
-- Names in the text of a row, each 12 characters; but for the one that all pages have.
local function names_in(text)
  local found = {}
  for name in string.gmatch(string.sub(text or '', 2), '............') do
    if name ~= EVERY then found[name] = true end
  end
  return found
end

-- Where an id stands among others.
local function place_of(id, ids)
  local from = 1
  while true do
    local at = string.find(ids, id, from, true)
    if not at or at % 8 == 1 then return at end
    from = at + 1
  end
end

-- Add an id to each of the names, or take it out.
local function enter(names, id, there)
  for start = 1, #names, 1000 do
    local some = {unpack(names, start, math.min(start + 999, #names))}
    local put, gone = {}, {}
    for at, ids in ipairs(redis.call('HMGET', DEPENDENTS, unpack(some))) do
      ids = ids or ''
      local place = ids ~= '*' and place_of(id, ids)
      if there and ids ~= '*' and not place then
        ids = #ids < 8 * MANY and ids..id or '*'
      elseif place and not there then
        ids = string.sub(ids, 1, place - 1)..string.sub(ids, place + 8)
      else
        ids = nil
      end
      if ids == '' then
        gone[#gone + 1] = some[at]
      elseif ids then
        put[#put + 1] = some[at]
        put[#put + 1] = ids
      end
    end
    if #put > 0 then redis.call('HMSET', DEPENDENTS, unpack(put)) end
    if #gone > 0 then redis.call('HDEL', DEPENDENTS, unpack(gone)) end
  end
end

-- A page had the names in the text ``old``, and has those in ``new``.
local function reindex(key, old, new)
  if old == new then return end
  local hash = redis.sha1hex(key)
  local id = struct.pack('>I4I4', tonumber(string.sub(hash, 1, 8), 16),
    tonumber(string.sub(hash, 9, 16), 16))
  local before, after, come, gone = names_in(old), names_in(new), {}, {}
  for name in pairs(after) do if not before[name] then come[#come + 1] = name end end
  for name in pairs(before) do if not after[name] then gone[#gone + 1] = name end end
  enter(gone, id, false)
  enter(come, id, true)
  if new then
    redis.call('HSET', DEPENDENTS, 'k'..id, key)
  else
    redis.call('HDEL', DEPENDENTS, 'k'..id)
  end
end
"""
)
