"""The page Pages: what is stored, found by path, tag and state, a screenful at a time.

Pages are asked for from the store where the last screenful ended, so it does not matter how many
there are. States are not in the store, which is searched for them for a moment; then one goes on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import unquote

from ..management.operations import Operations
from ..storage.catalogue import PageInfo
from .survey import STATES

PER_PAGE: Final = 50
#: Pages of one dependency.
_MOST: Final = 500
#: Seconds for which one request searches.
_SEARCHES: Final = 0.5


@dataclass(frozen=True, slots=True)
class Search:
    """``path``: what paths begin with, or hold if it does not begin with a slash. ``dependency``: a
    row or table that pages depend on. ``after``: path and key of the page behind which the list
    goes on."""

    path: str = ""
    tag: str = ""
    state: str = ""
    dependency: str = ""
    after: tuple[str, str] | None = None

    @classmethod
    def of(cls, given: dict[str, str]) -> Search:
        state = given.get("state", "")
        at, key = given.get("at", ""), given.get("key", "")
        return cls(
            given.get("path", given.get("prefix", "")).strip(),
            given.get("tag", "").strip(),
            state if state in STATES else "",
            given.get("dependency", "").strip(),
            (at, key) if at and key else None,
        )

    @property
    def prefix(self) -> str:
        return unquote(self.path) if self.path.startswith("/") else ""

    def finds(self, info: PageInfo) -> bool:
        part = "" if self.prefix else self.path.lower()
        return part in info.path.lower() and (not self.state or info.state == self.state)


def page_list(isg: Operations, given: dict[str, str]) -> dict[str, Any]:
    """Raises `BackendUnavailable`, and `ConfigurationError` for what is no dependency."""
    runtime, search = isg.core.runtime, Search.of(given)
    runtime.store.retry()
    if search.dependency:
        return _depending(isg, search)
    pages: list[dict[str, Any]] = []
    last: tuple[str, str] | None = None
    searched, deadline = 0, time.monotonic() + _SEARCHES
    more = False
    for row, info in runtime.catalogue.listed(search.prefix, search.tag or None, search.after):
        if len(pages) == PER_PAGE or (searched and time.monotonic() > deadline):
            more = True
            break
        last, searched = (row.path, row.key), searched + 1
        if info is not None and search.finds(info):
            pages.append({**asdict(info), "key": row.key})
    behind = {"at": last[0], "key": last[1]} if more and last else None
    return _listed(pages, search, searched, behind, runtime.engine.page_store.dependencies)


def _depending(isg: Operations, search: Search) -> dict[str, Any]:
    """Those that a change of one row or table would renew. There is no index of paths of them: they
    are on one screen, the first so many."""
    found = [info for info in isg.affected(search.dependency) if search.finds(info)]
    wanted = [
        info
        for info in found
        if info.path.startswith(search.prefix) and (not search.tag or search.tag in info.tags)
    ]
    pages = [{**asdict(info), "key": ""} for info in wanted[:_MOST]]
    return _listed(pages, search, len(found), None, isg.core.runtime.engine.page_store.dependencies)


def _listed(
    pages: list[dict[str, Any]], search: Search, searched: int, behind: dict[str, str] | None,
    dependencies: object,
) -> dict[str, Any]:  # fmt: skip
    return {
        "pages": pages,
        "searched": searched,
        "search": search,
        "next": behind,
        "states": STATES,
        "has_dependencies": dependencies is not None,
    }
