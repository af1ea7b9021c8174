"""The in-process cache: pages with prepared answers, bounded in bytes, read without a lock.

``Memory`` holds pages by key. Answers to plain requests are prepared (`Prepared`) and found by the
raw request line (``memo``). Reading takes no lock and writes nothing. Eviction uses the *clock*
algorithm, by the second in which an answer of the page was last prepared.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from ..core.cache_key import narrow_query
from ..core.downstream import accel_expires, extended, lifetime_in_front, limited, spent
from ..core.encoded_headers import encoded_headers
from ..core.filled_page import for_holes
from ..core.freshness import names_of
from ..core.page_template import PLACE_BYTES, Template
from ..core.preconditions import Answer
from ..core.stored_page import Entry
from ..http import cache_status as status
from ..http.conditional import choose_encoding
from ..http.fields import Headers

#: The parts of the request line as the server passed it on; Accept-Encoding is last, if present.
#: Behind a trusted proxy, a pair of the proxy's fields and this.
Raw = tuple[Any, ...]
#: Bytes that a page takes beside its bodies and headers, and that each prepared answer takes beside
#: its request line; ``python -m bench.memory`` measures both.
_OVERHEAD: Final = 1_664
_ANSWER: Final = 1_472
#: Longer request lines are looked up by key each time: the sender controls their length.
_MAX_RAW: Final = 1_024
_RAWS_PER_PAGE: Final = 32


class Page:
    """A stored page as this process holds it.

    ``seen``: the invalidation counter when it was last known to be current. ``looked_up``: when the
    store was last asked for the page, by the clock; 0 if never. ``used``: visited since the clock
    hand passed; ``visited``: visited since the last report to the store. ``raws``: the request
    lines by which it is found. ``hole_plan`` is what `serving` has worked out of its holes.
    """

    __slots__ = (
        "_base", "_for_holes", "_head", "_template", "entry", "hole_plan", "looked_up", "raws",
        "seen", "size", "used", "visited",
    )  # fmt: skip

    def __init__(self, entry: Entry, seen: int, base: str, looked_up: float = 0.0) -> None:
        self.entry = entry
        self.seen = seen
        self.looked_up = looked_up
        self._base = base
        headers = sum(len(name) + len(value) for name, value in entry.headers)
        places = len(entry.places) + len(entry.holes)
        self.size = entry.size + headers + len(entry.renders) + _OVERHEAD + PLACE_BYTES * places
        if entry.holes:  # compressed again, in pieces
            self.size += len(entry.encodings.get("gzip", b""))
        self.used = self.visited = False
        self.raws: tuple[Raw, ...] = ()
        self._head: tuple[str, Headers, int] = ("", (), 0)
        self._template: Template | None = None
        self._for_holes: Page | None = None
        self.hole_plan: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which it can be invalidated. Computed after an invalidation: stored, they
        would take more memory than everything else beside the bodies."""
        entry, request = self.entry, self.entry.request
        query = narrow_query(request.query, "all") if entry.own else request.query
        return (
            *names_of(request.full_path, query, entry.tags, entry.route),
            key_name(entry.key),
            base_name(self._base),
        )

    def age(self, now: float) -> int:
        return max(0, int(now - self.entry.rendered_at))

    def ttl(self, now: float) -> float | None:
        until = self.entry.fresh_until
        return None if until == math.inf else until - now

    def answer(
        self, accept_encoding: str | None, now: float, label: str, cache_status: str
    ) -> Answer:
        entry = self.entry
        encoding = choose_encoding(accept_encoding, entry.encodings)
        age = self.age(now)
        _, head, lifetime = self._head_for(encoding)
        headers = [*head, _age(age), ("X-ISG-Cache", label), ("Cache-Status", cache_status)]
        left = lifetime - age
        if entry.revalidate is None:
            longer = extended(headers, age)
            left = left if longer == headers else lifetime
            headers = longer
        if entry.depended is not None and entry.depended.due:
            rest = max(0, int(entry.depended.due - now))
            headers, left = limited(headers, age + rest, entry.depended.soft), min(left, rest)
        if lifetime:
            headers.append(accel_expires(1 if label == "STALE" else left))
        body = entry.body if encoding == "identity" else entry.encodings[encoding]
        return entry.status, headers, (body,) if body else ()

    def filled(
        self, values: Sequence[bytes], accept_encoding: str | None, label: str, cache_status: str
    ) -> Answer:
        """The answer of a page with places, with the ``values`` of one visitor."""
        entry = self.entry
        compressed = choose_encoding(accept_encoding, entry.encodings) == "gzip"
        headers, body = self.template().filled(values, compressed)
        if entry.code != 204:
            headers.append(("Content-Length", str(len(body))))
        headers += [("X-ISG-Cache", label), ("Cache-Status", cache_status)]
        return entry.status, headers, (body,) if body else ()

    def template(self) -> Template:
        """The page split at its places. Made on first use."""
        made = self._template
        if made is None:
            made = self._template = Template(self.entry)
        return made

    def for_holes(self) -> Page:
        """The page with places for its holes, for visitors who have something of their own in them.
        Made on first use."""
        made = self._for_holes
        if made is None:
            made = self._for_holes = Page(for_holes(self.entry), self.seen, self._base)
        return made

    def stale_answer(self, accept_encoding: str | None, now: float, detail: str = "") -> Answer:
        said = status.forwarded("stale", ttl=min(self.ttl(now) or 0.0, 0.0), detail=detail)
        line, headers, body = self.answer(accept_encoding, now, "STALE", said)
        return line, spent(headers) if now < self.entry.fresh_until else headers, body

    def _head_for(self, encoding: str) -> tuple[str, Headers, int]:
        """The headers, with the seconds for which they let nginx keep the page."""
        known = self._head
        if known[0] != encoding:
            head = self._make_head(encoding)
            self._head = known = encoding, head, lifetime_in_front(head)
        return known

    def _make_head(self, encoding: str) -> Headers:
        entry = self.entry
        body = entry.body if encoding == "identity" else entry.encodings[encoding]
        headers = encoded_headers(entry, encoding)
        if entry.code != 204:  # which must not have one (RFC 9110, section 8.6)
            headers.append(("Content-Length", str(len(body))))
        return tuple(headers)


@lru_cache(maxsize=4_096)
def _age(seconds: int) -> tuple[str, str]:
    return "Age", str(seconds)


def worth_remembering(raw: Raw) -> bool:
    """Whether a raw request line is short enough for the key of a table."""
    return _length(raw) <= _MAX_RAW


def _cost(raw: Raw) -> int:
    """Bytes that an answer takes, including the request line by which it is found."""
    return _ANSWER + _length(raw)


def _length(raw: Raw) -> int:
    """Characters in all."""
    parts = (*raw[0], *raw[1]) if isinstance(raw[0], tuple) else raw
    return sum(map(len, filter(None, parts)))


def key_name(key: str) -> str:
    return "key:" + key


def base_name(base: str) -> str:
    return "base:" + base


class _PagesInOrder:
    """Pages in the order of the clock algorithm, and their size in bytes."""

    def __init__(self) -> None:
        self.size = 0
        self.pages: OrderedDict[str, Page] = OrderedDict()

    def pop(self, key: str) -> Page | None:
        page = self.pages.pop(key, None)
        if page is not None:
            self.size -= page.size
        return page

    def excess(self, limit: int, added: Page) -> Page | None:
        """The page to evict next: the first that was not visited since the last round."""
        while self.size > limit and self.pages:
            key, page = next(iter(self.pages.items()))
            if len(self.pages) == 1 or not (page.used or page is added):
                return page
            page.used = False
            self.pages.move_to_end(key)
        return None


class Prepared(Protocol):
    """A prepared answer. It may be sent while the store's version equals ``version``."""

    page: Page
    version: int

    def end(self) -> None:
        """Stop being sent, also by threads that still hold it."""


class Memory:
    """Pages by key, up to ``limit`` bytes; a sixteenth of that is for error pages."""

    def __init__(self, limit: int) -> None:
        self.memo: dict[Raw, Prepared] = {}
        self._limit = limit
        self._pages = _PagesInOrder()
        self._errors = _PagesInOrder()
        self._lock = threading.Lock()

    def get(self, key: str) -> Page | None:
        return self._pages.pages.get(key) or self._errors.pages.get(key)

    def add(self, page: Page) -> None:
        """Hold a page in place of the one under its key; a page that is too large is not held."""
        error = page.entry.error_quota
        page_store = self._errors if error else self._pages
        with self._lock:
            self._remove(page.entry.key)
            if page.size > (self._limit // 16 if error else self._limit) // 4:
                return
            page_store.pages[page.entry.key] = page
            page_store.size += page.size
            while gone := self._excess(page):
                self._remove(gone.entry.key)

    def _excess(self, added: Page) -> Page | None:
        return self._errors.excess(self._limit // 16, added) or self._pages.excess(
            self._limit - self._errors.size, added
        )

    def remember(self, raw: Raw, ready: Prepared) -> None:
        """Answer the request line ``raw`` with ``ready`` from now on."""
        if not worth_remembering(raw):
            return
        page = ready.page
        with self._lock:
            if self.get(page.entry.key) is not page:
                return
            known = self.memo.get(raw)
            if known is not None and known.page is not page:  # its URL has another policy now
                self._take_from(known.page, raw)
                known = None
            if known is None:
                more = _cost(raw)
                if len(page.raws) >= _RAWS_PER_PAGE:
                    more -= _cost(page.raws[0])
                    self._forget(page.raws[0])
                    page.raws = page.raws[1:]
                page_store = self._errors if page.entry.error_quota else self._pages
                page.size += more
                page_store.size += more
                page.raws = (*page.raws, raw)
            self.memo[raw] = ready
            while gone := self._excess(page):
                self._remove(gone.entry.key)

    def _forget(self, raw: Raw) -> None:
        ready = self.memo.pop(raw, None)
        if ready is not None:
            ready.end()

    def _take_from(self, page: Page, raw: Raw) -> None:
        page.raws = tuple(other for other in page.raws if other != raw)
        page.size -= _cost(raw)
        page_store = self._errors if page.entry.error_quota else self._pages
        page_store.size -= _cost(raw)
        self._forget(raw)

    def discard(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def unready(self) -> None:
        """Drop all prepared answers, so that each page is judged again before it is served."""
        with self._lock:
            for ready in self.memo.values():
                ready.version = -1

    def clear(self) -> None:
        with self._lock:
            for key in (*self._pages.pages, *self._errors.pages):
                self._remove(key)

    def recent(self, limit: int) -> list[str]:
        """Keys of pages visited since the last call, at most ``limit``."""
        with self._lock:
            pages = self._pages.pages.values()
            visited = [page for page in pages if page.visited][:limit]
            for page in visited:
                page.visited = False
        return [page.entry.key for page in visited]

    def switch_off(self) -> None:
        """Hold nothing from now on: this process serves no visitors."""
        self._limit = 0
        self.clear()

    def reset_lock(self) -> None:
        """For a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return self._pages.size + self._errors.size

    def __len__(self) -> int:
        return len(self._pages.pages) + len(self._errors.pages)

    def _remove(self, key: str) -> None:
        page = self._pages.pop(key) or self._errors.pop(key)
        if page is not None:
            for raw in page.raws:
                self._forget(raw)
            page.raws = ()
