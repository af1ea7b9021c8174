"""Renews the pages of one `PageStore` that show what was written, and announces it before."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from ..core.dependencies import Write
from ..core.dependency_names import EVERY
from ..core.freshness import Changes
from ..errors import BackendUnavailable
from ..render_context import database
from .page_store import PageStore

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
        counter, names = dependencies.tell(writes, intents, page)
        page_store.sync()
        if reads is not None:
            table = page_store.mirror.tellings.told
            moved = any(table.get(name) == counter for name in names)
            tells, moves = reads.own.get(id(page_store), (0, 0))
            reads.own[id(page_store)] = (tells + 1, moves + moved)
    except BackendUnavailable as error:
        log.warning("Records were changed; the pages that show them wait for the store: %s", error)
        dependencies.owe(writes, intents)
        mirror = page_store.mirror
        told = ((EVERY, mirror.counter + 1, "the store was away when something was changed"),)
        mirror.apply(Changes(mirror.nonce, 0, told=told))
        page_store.settled = -1
        page_store.memory.unready()
