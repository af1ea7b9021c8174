"""`isgware.backends.dependents.Dependents` in Redis, a part of `RedisBackend`: one script each."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ...core.dependencies import Shape
from ...core.dependency_names import EVERY, any_name, split
from ..base import Limits, Row
from ..dependents import (
    INTENT_LAST,
    INTENT_SECONDS,
    MAX_INTENTS,
    MAX_KNOWN,
    MAX_TIMES,
    MAX_UNHEARD,
    Begun,
    Depending,
    Intent,
    Kept,
    KnownShapes,
    Lagging,
    Teller,
    Told,
)
from . import intents
from .dependent_tables import TABLES
from .pubsub import Subscription
from .scripts import Script
from .values import name_text, row_from

_BEGUN: Final = Script(TABLES + "return dependencies(ARGV[1])")
_SHAPES: Final = Script(TABLES + "return all_shapes(dependencies(ARGV[1]))")
_FORGET: Final = Script(TABLES + "return rotate(dependencies(ARGV[1])[1])")
_TELL: Final = Script(
    TABLES
    + intents.TABLES
    + intents.TELL
    + """
redis.call('DEL', P..'room')
local it = dependencies(ARGV[1])
if it[1] ~= ARGV[2] or it[3] ~= ARGV[3] then return all_shapes(it) end
local at = 10
for _ = 1, tonumber(ARGV[9]) do
  end_intent(ARGV[at])
  at = at + 1
end
local told, names = {}, {}
for each = at, #ARGV, 2 do
  told[#told + 1] = {ARGV[each], ARGV[each + 1]}
  names[#names + 1] = ARGV[each]
end
local heard = tell_names(it, told, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
note_times(it[1], names, ARGV[7], tonumber(ARGV[8]))
local now = redis.call('HMGET', STATE, 'counter', 'told_floor')
return {1, now[1], now[2], heard}
"""
)
_ANNOUNCE: Final = Script(TABLES + intents.TABLES + intents.ANNOUNCE)
_TELL_OVERDUE: Final = Script(TABLES + intents.TABLES + intents.TELL + intents.TELL_OVERDUE)
_SECONDS_LEFT: Final = Script(TABLES + intents.TABLES + intents.SECONDS_LEFT)
_DEPEND: Final = Script(
    TABLES
    + """
redis.call('DEL', P..'room')
local it = dependencies(ARGV[1])
local page, begun = ARGV[2], ARGV[4]
local generation, writes, limit = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local names, tables, added = {}, {}, 0
for at = 1, #ARGV[7], 8 do names[#names + 1] = string.sub(ARGV[7], at, at + 7) end
-- Any change of a table of which it brings new questions.
for at = 1, #ARGV[8], 8 do tables[#tables + 1] = string.sub(ARGV[8], at, at + 7) end
local changed = any_unheard(names, writes) or any_unheard(tables, writes)
for _, name in ipairs(tables) do
  local told = redis.call('ZSCORE', TOLD, name)
  if told and tonumber(told) > generation then changed = true end
end
for at = 9, #ARGV do added = added + redis.call('SADD', SHAPES, ARGV[at]) end
if added > 0 then redis.call('HINCRBY', STATE, 'shapes', 1) end
local floor = tonumber(redis.call('HGET', STATE, 'unheard_floor'))
local full = redis.call('HINCRBY', STATE, 'known', learn(names)) > limit
if full then rotate(it[1]) end
local maybe = it[1] ~= page or it[1] ~= begun or writes < floor
return {maybe and 'maybe' or changed and 'changed' or 'as it was', full and 1 or 0}
"""
)
#: Rows of pages that the index says have one of the names, and where to go on: with which name, and
#: which part of its list. If the index does not know every row, a token under which to fill it.
_AFFECTED: Final = Script("""
if redis.call('HEXISTS', DEPENDENTS, '=') == 0 then
  redis.call('DEL', P..'room')
  redis.call('HSET', DEPENDENTS, '~', ARGV[2])
  return ARGV[2]
end
local at, part, lists, size = tonumber(ARGV[4]), tonumber(ARGV[5]), {}, 0
while at <= #ARGV and size < 8 * tonumber(ARGV[3]) do
  local list = redis.call('HGET', DEPENDENTS, ARGV[at])
  local parts = parts_of(list)
  if parts then list = redis.call('HGET', DEPENDENTS, ARGV[at]..part) end
  lists[#lists + 1] = list or ''
  size = size + #lists[#lists]
  part = part + 1
  if part >= (parts or 1) then at, part = at + 1, 0 end
end
local found, seen, ids = {at, part, {}}, {}, table.concat(lists)
for from = 1, #ids, 8 do
  local id = string.sub(ids, from, from + 7)
  local key = not seen[id] and redis.call('HGET', DEPENDENTS, 'k'..id)
  local row = key and redis.call('HGET', ROWS, key)
  if row then found[3][#found[3] + 1] = row end
  seen[id] = true
end
return found
""")
#: Some of the rows that have any of the names, and where to go on. With a token all of them are
#: entered in the index.
_LOOK: Final = Script("""
redis.call('DEL', P..'room')
local cursor, rows = unpack(redis.call('HSCAN', ROWS, ARGV[2], 'COUNT', ARGV[3]))
local token, wanted, found = ARGV[4], {}, {}
if redis.call('HGET', DEPENDENTS, '~') ~= token then token = '' end
for at = 5, #ARGV do wanted[ARGV[at]] = true end
for at = 1, #rows, 2 do
  local depends = string.match(rows[at + 1], '"depends":"([^"]*)"')
  for name in string.gmatch(string.sub(depends or '', 2), '............') do
    if wanted[name] then
      found[#found + 1] = rows[at + 1]
      break
    end
  end
  if token ~= '' and depends then reindex(rows[at], nil, depends) end
end
if token ~= '' and cursor == '0' then
  redis.call('HDEL', DEPENDENTS, '~')
  redis.call('HSET', DEPENDENTS, '=', 1)
end
return {cursor, found}
""")
#: Rows that one script looks at.
_BATCH: Final = 500


class DependentPages(ABC):
    prefix: str
    _limits: Limits
    _subscription: Subscription

    @abstractmethod
    def _run(self, script: Script, *arguments: Any) -> Any: ...

    @abstractmethod
    def _ask(self, work: Callable[[Any], Any]) -> Any: ...

    def begun(self) -> Begun:
        nonce, writes, version = self._run(_BEGUN, secrets.token_hex(8))
        return Begun(nonce.decode(), int(writes), int(version))

    def shapes(self) -> KnownShapes:
        return _shapes(self._run(_SHAPES, secrets.token_hex(8)))

    def tell(
        self, names: Mapping[bytes, str], nonce: str, version: int, teller: Teller | None = None
    ) -> Told | KnownShapes:
        page, ending = (teller.page, teller.intents) if teller is not None else (b"", ())
        subscription = self._subscription
        moved = True  # what was not answered may have been done
        try:
            found = self._run(
                _TELL, secrets.token_hex(8), nonce, version, subscription.sender,
                self._limits.names, MAX_UNHEARD, page, MAX_TIMES, len(ending), *ending,
                *(part for pair in names.items() for part in pair),
            )  # fmt: skip
            moved = not found[0] or bool(found[3])  # other shapes: the tables may be other ones
        finally:
            if moved:
                subscription.moved()
        if not found[0]:
            return _shapes(found)
        return Told(int(found[1]), tuple(found[3]), int(found[2]))

    def announce(
        self, intent: Intent, version: int, now: float, seconds: float = INTENT_SECONDS
    ) -> bool:
        packed = intents.packed(intent, version)
        fresh = secrets.token_hex(8)
        return bool(self._run(_ANNOUNCE, fresh, intent.token, packed, seconds, MAX_INTENTS))

    def tell_overdue(self, now: float) -> int:
        subscription = self._subscription
        moved = True
        try:
            count, moved = self._run(
                _TELL_OVERDUE, secrets.token_hex(8), subscription.sender, self._limits.names,
                MAX_UNHEARD, INTENT_SECONDS, INTENT_LAST, "", MAX_TIMES,
            )  # fmt: skip
        finally:
            if moved:
                subscription.moved()
        return int(count)

    def seconds_left(self, page: Lagging, now: float) -> float | None:
        names = list(split(page.names))
        found = self._run(
            _SECONDS_LEFT, secrets.token_hex(8), page.lag, max(0.0, now - page.began), page.page,
            len(names), *names, *split(page.asked),
        )  # fmt: skip
        return float(found) if found else None

    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept:
        begun = depending.begun
        tables = sorted({shape.table for shape in depending.shapes if shape.table})
        kept, moved = self._run(
            _DEPEND, secrets.token_hex(8), nonce, generation, begun.nonce, begun.writes, MAX_KNOWN,
            depending.names, b"".join(map(any_name, tables)),
            *(json.dumps(shape, separators=(",", ":")) for shape in depending.shapes),
        )  # fmt: skip
        if moved:  # lest this process count the page as fresh until the message comes
            self._subscription.moved()
        return Kept(kept.decode())

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        """From the index; see `page_index`."""
        wanted, seen = set(names), set()
        for row in map(row_from, self._rows_of_names([name_text(name) for name in wanted])):
            if row is not None and row.depended and row.depended.has_any(wanted):
                if row.key not in seen:
                    yield row
                seen.add(row.key)

    def _rows_of_names(self, texts: list[str]) -> Iterator[bytes]:
        """Some twice, and some of other names."""
        if name_text(EVERY) in texts:
            yield from self._all_rows(b"", texts)
            return
        first = at = 6
        part = 0
        while at < first + len(texts):
            found = self._run(_AFFECTED, "", secrets.token_hex(8), _BATCH, at, part, *texts)
            if isinstance(found, bytes):
                yield from self._all_rows(found, texts)
                return
            at, part, rows = found
            yield from rows

    def _all_rows(self, token: bytes, texts: list[str]) -> Iterator[bytes]:
        """Looks at every row. With a token they are entered in the index."""
        cursor = b"0"
        while True:
            cursor, rows = self._run(_LOOK, "", cursor, _BATCH, token, *texts)
            yield from rows
            if cursor == b"0":
                return

    def forget(self) -> int:
        try:
            return int(self._run(_FORGET, secrets.token_hex(8)))
        finally:
            self._subscription.moved()


def _shapes(found: Any) -> KnownShapes:
    _, nonce, version, *texts = found
    shapes = frozenset(
        Shape(table, tuple(columns), tuple(equals))
        for table, columns, equals in map(json.loads, texts)
    )
    return KnownShapes(nonce.decode(), int(version), shapes)
