"""`isgware.backends.dependents.Dependents` in Redis, a part of `RedisBackend`: one script each."""

from __future__ import annotations

import functools
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from ...core.dependencies import Shape
from ...core.dependency_names import any_name, split
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
)
from . import intents
from .dependent_tables import TABLES
from .pubsub import Subscription
from .scripts import Script
from .values import row_from

_BEGUN: Final = Script(TABLES + "return dependencies(ARGV[1])")
_SHAPES: Final = Script(TABLES + "return all_shapes(dependencies(ARGV[1]))")
_FORGET: Final = Script(TABLES + "return begin_anew(dependencies(ARGV[1])[1])")
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
local counter = tell_names(it, told, ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]))
note_times(it[1], names, ARGV[7], tonumber(ARGV[8]))
if not counter then return {1, redis.call('HGET', STATE, 'counter'), 0} end
return {1, counter, 1}
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
local changed, added, learned = false, 0, 0
local at = 8
for _ = 1, tonumber(ARGV[7]) do  -- names of the page
  local number = redis.call('ZSCORE', UNHEARD, ARGV[at])
  if number and tonumber(number) > writes then changed = true end
  if know(ARGV[at]) then learned = learned + 1 end
  at = at + 1
end
local suspects = tonumber(ARGV[at])
at = at + 1
for _ = 1, suspects do  -- any change of a table of which it brings new questions
  local number = redis.call('ZSCORE', UNHEARD, ARGV[at])
  if number and tonumber(number) > writes then changed = true end
  local told = redis.call('ZSCORE', TOLD, ARGV[at])
  if told and tonumber(told) > generation then changed = true end
  at = at + 1
end
for shape = at, #ARGV do added = added + redis.call('SADD', SHAPES, ARGV[shape]) end
if added > 0 then redis.call('HINCRBY', STATE, 'shapes', 1) end
local floor = tonumber(redis.call('HGET', STATE, 'unheard_floor'))
if redis.call('HINCRBY', STATE, 'known', learned) > limit then begin_anew(it[1]) end
if it[1] ~= page or it[1] ~= begun or writes < floor then return 'maybe' end
return changed and 'changed' or 'as it was'
"""
)
_BATCH: Final = 1_000


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
    ) -> int | KnownShapes:
        page, ending = (teller.page, teller.intents) if teller is not None else (b"", ())
        subscription = self._subscription
        moved = True  # what was not answered may have been done
        try:
            found = self._run(
                _TELL, secrets.token_hex(8), nonce, version, subscription.sender,
                self._limits.names, MAX_UNHEARD, page, MAX_TIMES, len(ending), *ending,
                *(part for pair in names.items() for part in pair),
            )  # fmt: skip
            moved = bool(found[0] and found[2])
        finally:
            if moved:
                subscription.moved()
        return int(found[1]) if found[0] else _shapes(found)

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
        begun, names = depending.begun, list(split(depending.names))
        tables = sorted({shape.table for shape in depending.shapes if shape.table})
        found = self._run(
            _DEPEND, secrets.token_hex(8), nonce, generation, begun.nonce, begun.writes, MAX_KNOWN,
            len(names), *names, len(tables), *map(any_name, tables),
            *(json.dumps(shape, separators=(",", ":")) for shape in depending.shapes),
        )  # fmt: skip
        return Kept(found.decode())

    def affected(self, names: Iterable[bytes]) -> Iterator[Row]:
        """Looks at every row."""
        wanted, cursor = set(names), 0
        while True:
            scan = functools.partial(_scan, self.prefix + "rows", cursor)
            cursor, rows = self._ask(scan)
            for key, text in rows.items():
                row = None if key.startswith(b"=") else row_from(text)
                if row is not None and row.depended and row.depended.has_any(wanted):
                    yield row
            if not cursor:
                return

    def forget(self) -> int:
        try:
            return int(self._run(_FORGET, secrets.token_hex(8)))
        finally:
            self._subscription.moved()


def _scan(key: str, cursor: int, client: Any) -> Any:
    return client.hscan(key, cursor, count=_BATCH)


def _shapes(found: Any) -> KnownShapes:
    _, nonce, version, *texts = found
    shapes = frozenset(
        Shape(table, tuple(columns), tuple(equals))
        for table, columns, equals in map(json.loads, texts)
    )
    return KnownShapes(nonce.decode(), int(version), shapes)
