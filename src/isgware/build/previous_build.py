"""Copies the pages of the previous build into this one as stale: they can be served at once, while
each is rendered again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ..backends.base import Row, row_of
from ..core.freshness import State
from ..core.stored_page import decode, encode
from ..errors import ConfigurationError
from ..routing.learned_routes import NOTHING_LEARNED, LearnedRoute
from ..serving.engine import Engine
from ..storage.catalogue import row_state

_TOGETHER: Final = 100


def copy_as_stale(engine: Engine, build_id: str) -> int:
    """Copy the pages of ``build_id`` that may still be served, and whose place is free. Returns
    how many they were.

    They count as stale under every policy, and keep their age; what was learned of their URLs
    goes with them. Raises `ConfigurationError` if there is nothing to copy from or to, and
    `BackendUnavailable`.
    """
    own = engine.settings.build_id
    if own == build_id:
        raise ConfigurationError(
            f"--stale-from {build_id!r} is the build that is being made: give the one before, and "
            "this one another --build-id."
        )
    page_store, copied, found = engine.page_store, 0, 0
    page_store.end()
    page_store.sync()
    rows = (row for row in page_store.backend.rows() if row.build_id == build_id)
    while some := list(islice(rows, _TOGETHER)):
        found += len(some)
        made: list[int] = []
        page_store.backend.together(lambda some=some, made=made: made.append(_copy(engine, some)))  # type: ignore[misc]
        copied += made[-1]
    if not found:
        raise ConfigurationError(f"There are no pages of a build {build_id!r}.")
    return copied


def _copy(engine: Engine, rows: list[Row]) -> int:
    return sum(_copied(engine, row) for row in _servable(engine, rows))


def _servable(engine: Engine, rows: list[Row]) -> Iterator[Row]:
    now, mirror = engine.now(), engine.page_store.mirror
    for row in rows:
        if row.status < 400 and row_state(row, mirror, now) not in (State.GONE, State.EXPIRED):
            yield row


def _copied(engine: Engine, row: Row) -> bool:
    backend, now, own = engine.page_store.backend, engine.now(), engine.settings.build_id
    entry = decode(backend.get(row.key, now), row.key)
    if entry is None:
        return False
    key = entry.request.key(own)
    if backend.get(key, now) is not None:
        return False
    entry_ = dataclasses.replace(entry, key=key, build_id=own, fingerprint="", restored=0)
    backend.put(row_of(entry_), encode(entry_), now)
    base = dataclasses.replace(entry.request, query="", headers=(), cookies=())
    note = LearnedRoute.decode(backend.read_note("s:" + base.base_key(row.build_id), now))
    if note is not None and note != NOTHING_LEARNED:
        engine.planner.learn(base.base_key(own), note, announce=False)
    return True
