"""Counts of all processes in Redis: a hash of the totals, and one for each minute and hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...core.series import MAX_ROUTES, MAX_SERIES, SINCE, overflow_of, route_of
from ..base import KEPT, TOLD_TIME
from .scripts import Script

_HASH: Final = """
local function ours(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
  return key
end
"""

#: Arguments: process, number, seconds for which that is remembered, now, the most series, the name
#: of the first, the most routes; how many periods, and of each its length, begin and milliseconds;
#: of each amount its name, the name that counts when there are too many, it, and its route. What is
#: written first is refused where Redis is full, so that all of it is added or nothing.
ADD: Final = Script(
    _HASH
    + """
local told = P..'counted:'..ARGV[2]
local before = tonumber(text(told) or '0') or 0
if tonumber(ARGV[3]) <= before then return 0 end
redis.call('SET', told, ARGV[3], 'EX', ARGV[4])
local total, most, at = ours(P..'counts', 'hash'), tonumber(ARGV[6]), 9
local routes, most_routes = ours(P..'counts:routes', 'set'), tonumber(ARGV[8])
redis.call('HSETNX', total, ARGV[7], ARGV[5])
local keys = {total}
for _ = 1, tonumber(ARGV[at]) do
  local key = ours(P..'counts:'..ARGV[at + 1]..':'..ARGV[at + 2], 'hash')
  redis.call('HSETNX', key, '', '0')
  redis.call('PEXPIRE', key, ARGV[at + 3])
  keys[#keys + 1] = key
  at = at + 3
end
local room = most - redis.call('HLEN', total)
for each = at + 1, #ARGV, 4 do
  local name, route = ARGV[each], ARGV[each + 3]
  if route ~= '' and redis.call('SISMEMBER', routes, route) == 0 then
    if redis.call('SCARD', routes) < most_routes then redis.call('SADD', routes, route)
    else name = ARGV[each + 1] end
  end
  if redis.call('HEXISTS', total, name) == 0 then
    if room <= 0 then name = ARGV[each + 1] end
    room = room - 1
  end
  for _, key in ipairs(keys) do redis.call('HINCRBYFLOAT', key, name, ARGV[each + 2]) end
end
return 1
"""
)

#: Arguments: the names of hashes. Returns of each that is there its name and its content, a line
#: for each field and value: one text is parsed many times faster than as many replies. No name of
#: a series has a line break, since it is JSON.
READ: Final = Script(
    """
local found = {}
for each = 2, #ARGV do
  local content = redis.pcall('HGETALL', P..ARGV[each])
  if not content.err and #content > 0 then
    found[#found + 1] = ARGV[each]
    found[#found + 1] = table.concat(content, '\\n')
  end
end
return found
"""
)


def arguments(
    process: str, number: int, amounts: Mapping[str, float], now: float
) -> Iterator[str | int | float]:
    """What `ADD` is given."""
    yield from ("", process, number, TOLD_TIME, now, MAX_SERIES, SINCE, MAX_ROUTES, len(KEPT))
    for period, kept in KEPT.items():
        yield from (period, int(now // period * period), (kept + period) * 1000)
    for name, amount in amounts.items():
        yield from (name, overflow_of(name), amount, route_of(name))


def hashes(period: int, now: float) -> list[str]:
    """The names of the hashes of a period that are kept still; 0 for that of the totals."""
    if not period:
        return ["counts"]
    last = now // period * period
    return hashes_between(period, last - KEPT[period], last)


def hashes_between(period: int, first: float, last: float) -> list[str]:
    begin, end = int(-(-first // period) * period), int(last // period * period)
    return [f"counts:{period}:{start}" for start in range(begin, end + period, period)]


def rows(found: list[Any]) -> list[tuple[float, str, float]]:
    """See `Counters.counts`."""
    made = []
    for name, content in zip(found[::2], found[1::2], strict=True):
        start = float(name.rpartition(b":")[2]) if b":" in name else 0.0
        lines = content.decode("utf-8", "replace").split("\n")
        for series, amount in zip(lines[::2], lines[1::2], strict=False):
            if series:
                made.append((start, series, float(amount)))
    return made
