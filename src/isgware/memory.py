"""The in-process layer: ready-to-send pages, bounded in bytes, found without a lock.

A `Page` is an `Entry` made ready: header lists are built at most once per second and encoding, so
that a hit is a look-up. ``Memory`` keeps pages by key, and finds those of plain requests by the
raw request line as well (``memo``). Reading takes no lock and writes nothing; what is evicted is
chosen by the *clock* algorithm from the second in which a page was last made ready.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Any, Final

from .answering import CONDITIONS, Answer
from .core import status
from .core.conditional import choose_encoding, etag_for
from .core.entry import Entry, Headers
from .core.freshness import names_of
from .core.request import narrow_query
from .core.storable import extended

Raw = tuple[Any, ...]
#: One of these in the environ, even an empty one, and the visitor is looked at.
CREDENTIALS: Final = frozenset({
    "HTTP_AUTHORIZATION", "REMOTE_USER", "AUTH_TYPE", "SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN",
    "SSL_CLIENT_CERT", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_I_DN",
})  # fmt: skip
#: For pages that came of visitors' own requests, directives of requests count, too, and some
#: conditions are the app's to judge (RFC 9111, sections 5.2.1 and 4.3.2).
_JUDGED_OWN: Final = CREDENTIALS | {
    "HTTP_CACHE_CONTROL", "HTTP_PRAGMA", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE",
}  # fmt: skip
_SPECIAL: Final = CREDENTIALS | CONDITIONS
_SPECIAL_OWN: Final = _JUDGED_OWN | CONDITIONS
#: Bytes a page is reckoned to take beside its bodies.
_OVERHEAD: Final = 2_048
#: So many answers are kept ready, for Accept-Encoding values no longer than that.
_MAX_READY: Final = 16
_MAX_ACCEPT: Final = 200
#: Longer request lines are looked up by key each time: their length is their sender's choice.
_MAX_RAW: Final = 1_024
_RAWS_PER_PAGE: Final = 16


class Page:
    """A stored page as this process holds it.

    ``seen``: the invalidation counter when it was last known to be what the store holds.
    ``word``, ``since``, ``until``, ``ready``: while the store's word equals ``word`` and the clock
    is between the two, ``ready`` answers a plain visit, by Accept-Encoding value. ``special``:
    with any of it in the environ a visit is no plain one, ``judged``: nor to be served from here.
    """

    __slots__ = (
        "_heads", "cookies_matter", "entry", "judged", "names", "raws", "ready", "seen", "since",
        "size", "special", "until", "used", "visited", "word",
    )  # fmt: skip

    def __init__(self, entry: Entry, seen: int, base: str) -> None:
        self.entry = entry
        self.seen = seen
        request = entry.request
        self.judged = _JUDGED_OWN if entry.own else CREDENTIALS
        self.special = _SPECIAL_OWN if entry.own else _SPECIAL
        query = narrow_query(request.query, "all") if entry.own else request.query
        self.names = (
            *names_of(request.full_path, query, entry.tags),
            key_name(entry.key),
            base_name(base),
        )
        headers = sum(len(name) + len(value) for name, value in entry.headers)
        self.size = entry.size + headers + _OVERHEAD
        self.cookies_matter = True
        self.word = -1
        self.since = self.until = 0.0
        self.ready: dict[str | None, Answer] = {}
        self.used = self.visited = False
        self.raws: deque[Raw] = deque()
        self._heads: dict[str, Headers] = {}

    def age(self, now: float) -> int:
        return max(0, int(now - self.entry.rendered_at))

    def ttl(self, now: float) -> float | None:
        if self.entry.revalidate is None:
            return None
        return self.entry.fresh_until - now

    def make_ready(self, now: float, word: int, cookies_matter: bool) -> None:
        """Let plain visits be answered from ``ready`` for the rest of this second of its age."""
        entry = self.entry
        self.until = 0.0  # nobody may pair the old window with the new answers
        self.ready = {}
        self.cookies_matter = cookies_matter
        self.word = word
        self.since = entry.rendered_at + self.age(now)
        self.until = min(self.since + 1.0, entry.fresh_until)
        self.used = self.visited = True

    def still_fresh(self, now: float) -> bool:
        """Make ready for another second, if time is all that has passed since."""
        if not self.until or not self.entry.rendered_at <= now < self.entry.fresh_until:
            return False
        self.make_ready(now, self.word, self.cookies_matter)
        return True

    def hit(self, accept_encoding: str | None, now: float) -> Answer:
        """The answer to a plain visit of a fresh page, kept for the rest of the second."""
        answer = self.answer(accept_encoding, now, "HIT", status.hit(self.ttl(now)))
        if len(self.ready) < _MAX_READY and len(accept_encoding or "") < _MAX_ACCEPT:
            self.ready[accept_encoding] = answer
        return answer

    def answer(
        self, accept_encoding: str | None, now: float, label: str, cache_status: str
    ) -> Answer:
        entry = self.entry
        encoding = choose_encoding(accept_encoding, entry.encodings)
        age = self.age(now)
        headers = [
            *self._head(encoding),
            ("Age", str(age)),
            ("X-ISG-Cache", label),
            ("Cache-Status", cache_status),
        ]
        if entry.revalidate is None:
            headers = extended(headers, age)
        body = entry.body if encoding == "identity" else entry.encodings[encoding]
        return entry.status, headers, (body,) if body else ()

    def _head(self, encoding: str) -> Headers:
        found = self._heads.get(encoding)
        if found is None:
            found = self._heads[encoding] = self._make_head(encoding)
        return found

    def _make_head(self, encoding: str) -> Headers:
        entry = self.entry
        headers = list(entry.headers)
        if entry.encodings:
            vary = [value for name, value in headers if name.lower() == "vary"]
            headers = [pair for pair in headers if pair[0].lower() != "vary"]
            if not any("accept-encoding" in value.lower() for value in vary):
                vary.append("Accept-Encoding")
            headers.append(("Vary", ", ".join(vary)))
        body = entry.body
        if encoding != "identity":
            body = entry.encodings[encoding]
            headers.append(("Content-Encoding", encoding))
        if entry.etag:
            headers.append(("ETag", etag_for(entry.etag, encoding)))
        if entry.code != 204:  # which may not say one (RFC 9110, section 8.6)
            headers.append(("Content-Length", str(len(body))))
        return tuple(headers)


def worth_remembering(raw: Raw) -> bool:
    """Whether a raw request line is short enough to key a table by."""
    return sum(len(part) for part in raw if part) <= _MAX_RAW


def key_name(key: str) -> str:
    return "key:" + key


def base_name(base: str) -> str:
    return "base:" + base


class _Shelf:
    """Pages in the order of the clock algorithm, and how many bytes they take."""

    def __init__(self) -> None:
        self.size = 0
        self.pages: OrderedDict[str, Page] = OrderedDict()

    def pop(self, key: str) -> Page | None:
        page = self.pages.pop(key, None)
        if page is not None:
            self.size -= page.size
        return page

    def excess(self, limit: int, added: Page) -> Page | None:
        """The page that has to go next: the first that was not visited since it was last asked."""
        while self.size > limit and self.pages:
            key, page = next(iter(self.pages.items()))
            if len(self.pages) == 1 or not (page.used or page is added):
                return page
            page.used = False
            self.pages.move_to_end(key)
        return None


class Memory:
    """Pages by key, up to ``limit`` bytes; a sixteenth of that is for error pages."""

    def __init__(self, limit: int) -> None:
        self.memo: dict[Raw, Page] = {}
        self._limit = limit
        self._pages = _Shelf()
        self._errors = _Shelf()
        self._lock = threading.Lock()

    def get(self, key: str) -> Page | None:
        return self._pages.pages.get(key) or self._errors.pages.get(key)

    def add(self, page: Page) -> None:
        """Keep a page in place of the one under its key; too large a one is not kept."""
        error = page.entry.error_quota
        shelf = self._errors if error else self._pages
        with self._lock:
            self._remove(page.entry.key)
            if page.size > (self._limit // 16 if error else self._limit) // 4:
                return
            shelf.pages[page.entry.key] = page
            shelf.size += page.size
            while gone := self._excess(page):
                self._remove(gone.entry.key)

    def _excess(self, added: Page) -> Page | None:
        return self._errors.excess(self._limit // 16, added) or self._pages.excess(
            self._limit - self._errors.size, added
        )

    def remember(self, raw: Raw, page: Page) -> None:
        """Find ``page`` by its raw request line from now on."""
        if not worth_remembering(raw):
            return
        with self._lock:
            if self.get(page.entry.key) is not page or raw in self.memo:
                return
            if len(page.raws) >= _RAWS_PER_PAGE:
                self.memo.pop(page.raws.popleft(), None)
            page.raws.append(raw)
            self.memo[raw] = page

    def discard(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def unready(self) -> None:
        """Have every page judged again before it is served, without the store's word for it."""
        with self._lock:
            for page in (*self._pages.pages.values(), *self._errors.pages.values()):
                page.word = -1

    def clear(self) -> None:
        with self._lock:
            for key in (*self._pages.pages, *self._errors.pages):
                self._remove(key)

    def recent(self, limit: int) -> list[str]:
        """Keys of pages visited since this was last asked, at most ``limit``."""
        with self._lock:
            pages = self._pages.pages.values()
            visited = [page for page in pages if page.visited][:limit]
            for page in visited:
                page.visited = False
        return [page.entry.key for page in visited]

    def reset_lock(self) -> None:
        """A forked child may find the lock held by a thread that it does not have."""
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return self._pages.size + self._errors.size

    def __len__(self) -> int:
        return len(self._pages.pages) + len(self._errors.pages)

    def _remove(self, key: str) -> None:
        page = self._pages.pop(key) or self._errors.pop(key)
        if page is not None:
            page.until = 0.0
            for raw in page.raws:
                self.memo.pop(raw, None)
            page.raws.clear()
