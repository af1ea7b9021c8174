"""Renews the pages of one `PageStore` that show what was written, and announces it before."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..core.dependencies import Write
from ..core.dependency_names import EVERY
from ..core.freshness import Changes
from ..errors import BackendUnavailable
from ..render_context import database
from .page_store import PageStore

if TYPE_CHECKING:
    from .dependencies import Dependencies

log: Final = logging.getLogger("isgware")


def announce(page_store: PageStore, writes: Sequence[Write]) -> str:
    """Before a commit: the token of an intent, empty if none was stored. Never raises for a store
    that is away: no commit is refused for it."""
    dependencies = page_store.dependencies
    if dependencies is None or not dependencies.durable:
        return ""
    try:
        counted = dependencies.counted(writes)
        return dependencies.announce(counted) if counted else ""
    except BackendUnavailable as error:
        log.warning("A commit could not be announced; it goes on without: %s", error)
        return ""


def tell(page_store: PageStore, writes: Sequence[Write], intents: Iterable[str] = ()) -> None:
    """In this process at once, elsewhere as soon as the store takes it. What waits for the store
    renews every page of this process that depends on anything: which it would be is not known."""
    dependencies = page_store.dependencies
    if dependencies is None:
        return
    writes = dependencies.counted(writes)
    if not (writes or intents):
        return
    try:
        reads = database.get()
        page = b"" if reads is None else reads.page
        changes = tell_now(page_store, dependencies, writes, intents, page)
        if reads is not None:
            tells, moves = reads.own.get(id(page_store), (0, 0))
            reads.own[id(page_store)] = (tells + 1, moves + bool(changes.told))
    except BackendUnavailable as error:
        log.warning("Records were changed; the pages that show them wait for the store: %s", error)
        dependencies.owe(writes, intents)
        mirror = page_store.mirror
        told = ((EVERY, mirror.counter + 1, "the store was away when something was changed"),)
        mirror.apply(Changes(mirror.nonce, 0, told=told))
        page_store.settled = -1
        page_store.memory.unready()


def tell_now(
    page_store: PageStore, dependencies: Dependencies, writes: Iterable[Write],
    intents: Iterable[str] = (), page: bytes = b"",
) -> Changes:  # fmt: skip
    """Tell the store, and count it in this process before this returns. That is one operation on
    the store. Returns what it added to the table of invalidations; raises `BackendUnavailable`."""
    version = page_store.backend.version[0]
    changes = dependencies.tell(writes, intents, page)
    count(page_store, changes, version)
    return changes


def count(page_store: PageStore, changes: Changes, version: int) -> None:
    """Count in this process's copy of the table what it has told the store itself. If nothing else
    was added since the copy was made, it is complete by that, and is not read again. ``version``:
    of the store, before it was told."""
    mirror = page_store.mirror
    if changes.nonce != mirror.nonce:
        if mirror.nonce:  # the table was lost, and the version may not show it yet
            page_store.settled = -1
            page_store.memory.unready()
            page_store.sync()
    elif changes.told:
        complete = changes.counter == mirror.counter + 1
        mirror.apply(changes if complete else replace(changes, counter=0))
        if complete and page_store.settled == version:
            page_store.settled = version + 2
