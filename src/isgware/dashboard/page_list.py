"""The page Pages: what is stored, found by path, tag and state, a screenful at a time.

Pages are asked for from the store where the last screenful ended, so it does not matter how many
there are. States are not in the store, which is searched for them for a moment; then one goes on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import unquote

from ..runtime import Runtime
from ..storage.catalogue import PageInfo
from .survey import STATES

PER_PAGE: Final = 50
#: Seconds for which one request searches.
_SEARCHES: Final = 0.5


@dataclass(frozen=True, slots=True)
class Search:
    """``path``: what paths begin with, or hold if it does not begin with a slash. ``after``: path
    and key of the page behind which the list goes on."""

    path: str = ""
    tag: str = ""
    state: str = ""
    after: tuple[str, str] | None = None

    @classmethod
    def of(cls, given: dict[str, str]) -> Search:
        state = given.get("state", "")
        at, key = given.get("at", ""), given.get("key", "")
        return cls(
            given.get("path", given.get("prefix", "")).strip(),
            given.get("tag", "").strip(),
            state if state in STATES else "",
            (at, key) if at and key else None,
        )

    @property
    def prefix(self) -> str:
        return unquote(self.path) if self.path.startswith("/") else ""

    def finds(self, info: PageInfo) -> bool:
        part = "" if self.prefix else self.path.lower()
        return part in info.path.lower() and (not self.state or info.state == self.state)


def page_list(runtime: Runtime, given: dict[str, str]) -> dict[str, Any]:
    """Raises `BackendUnavailable`."""
    search = Search.of(given)
    runtime.store.retry()
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
    return {
        "pages": pages,
        "searched": searched,
        "search": search,
        "next": {"at": last[0], "key": last[1]} if more and last else None,
        "states": STATES,
    }
