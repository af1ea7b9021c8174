"""Which pages have a name of a dependency: the index of ``affected``, as Lua in every script.

It is one hash. Under a name stand the ids of its pages, 8 bytes each, one after the other; under
``k`` and an id stands the page's key. `unlist` keeps it in step with the rows. Whoever reads it
looks at the page's row all the same: rows may be evicted, and releases without an index change
them. ``=`` says that the index knows every row; if it was evicted, the next ``affected`` looks at
every row, and enters them. A name that all pages have is in no list.

A list of more than `LONG` ids is kept in parts, so that a page is added to a short string: the name
holds ``*`` and the number of parts, and an id is in the part that its bits say (linear hashing: one
part more at a time, which takes over half of another).
"""

from __future__ import annotations

from typing import Final

from ...core.dependency_names import EVERY
from .values import name_text

#: Ids in one string.
LONG: Final = 256

INDEX: Final = (
    f"""
local DEPENDENTS, LONG, EVERY = P..'dependents', {8 * LONG}, '{name_text(EVERY)}'
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

-- In how many parts a list is, given what stands under its name; `nil` if it stands there itself.
local function parts_of(held)
  return held and #held % 8 ~= 0 and tonumber(string.sub(held, 2)) or nil
end

-- The largest power of two that is not above the number of parts.
local function power_in(parts)
  local power = 1
  while 2 * power <= parts do power = 2 * power end
  return power
end

local function part_of(id, parts)
  local bits, power = struct.unpack('>I4', id), power_in(parts)
  local part = bits % (2 * power)
  return part < parts and part or bits % power
end

-- Take half of the next part of a list, or of the whole list, into a new one.
local function grow(name, parts)
  if not parts then
    redis.call('HSET', DEPENDENTS, name..'0', redis.call('HGET', DEPENDENTS, name))
    redis.call('HSET', DEPENDENTS, name, '*1')
    parts = 1
  end
  local from = parts - power_in(parts)
  local ids, stay, go = redis.call('HGET', DEPENDENTS, name..from) or '', {}, {}
  for at = 1, #ids, 8 do
    local id = string.sub(ids, at, at + 7)
    local list = part_of(id, parts + 1) == parts and go or stay
    list[#list + 1] = id
  end
  if #go == 0 then return end
  redis.call('HMSET', DEPENDENTS, name, '*'..(parts + 1), name..parts, table.concat(go))
  if #stay > 0 then
    redis.call('HSET', DEPENDENTS, name..from, table.concat(stay))
  else
    redis.call('HDEL', DEPENDENTS, name..from)
  end
end

-- Leave out empty parts at the end, so that nothing stays of a list whose pages went.
local function shrink(name, parts)
  while parts > 0 and redis.call('HEXISTS', DEPENDENTS, name..(parts - 1)) == 0 do
    parts = parts - 1
  end
  if parts > 0 then
    redis.call('HSET', DEPENDENTS, name, '*'..parts)
  else
    redis.call('HDEL', DEPENDENTS, name)
  end
end

-- Add an id to the lists of up to 1,000 names, or take it out.
local function enter(names, id, there)
  local fields, parts, long = {}, {}, false
  local lists = redis.call('HMGET', DEPENDENTS, unpack(names))
  for at, name in ipairs(names) do
    parts[at] = parts_of(lists[at])
    fields[at] = parts[at] and name..part_of(id, parts[at]) or name
    long = long or parts[at]
  end
  if long then lists = redis.call('HMGET', DEPENDENTS, unpack(fields)) end
  local put, gone, after = {}, {}, {}
  for at, ids in ipairs(lists) do
    ids = ids or ''
    local place = place_of(id, ids)
    if there and not place then
      ids = ids..id
      put[#put + 1], put[#put + 2] = fields[at], ids
      if #ids > LONG then after[#after + 1] = at end
    elseif place and not there then
      ids = string.sub(ids, 1, place - 1)..string.sub(ids, place + 8)
      if ids ~= '' then
        put[#put + 1], put[#put + 2] = fields[at], ids
      else
        gone[#gone + 1] = fields[at]
        if parts[at] then after[#after + 1] = at end
      end
    end
  end
  if #put > 0 then redis.call('HMSET', DEPENDENTS, unpack(put)) end
  if #gone > 0 then redis.call('HDEL', DEPENDENTS, unpack(gone)) end
  for _, at in ipairs(after) do
    if there then grow(names[at], parts[at]) else shrink(names[at], parts[at]) end
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
  for at = 1, #gone, 1000 do enter({unpack(gone, at, math.min(at + 999, #gone))}, id, false) end
  for at = 1, #come, 1000 do enter({unpack(come, at, math.min(at + 999, #come))}, id, true) end
  if new then
    redis.call('HSET', DEPENDENTS, 'k'..id, key)
  else
    redis.call('HDEL', DEPENDENTS, 'k'..id)
  end
end
"""
)
