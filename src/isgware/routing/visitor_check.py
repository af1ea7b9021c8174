"""Whether a stored page is for this visitor, decided at the least cost.

`core.reads.judge` decides. This module supplies the names of the visitor's cookies, and the keys of
their session, opened by the framework's own code at most once per request. Verdicts that follow
from the Cookie header alone (including sessions that the framework keeps in a cookie) are cached.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..core.cache_key import Visitor
from ..core.reads import Personal, Reads, Shape, joined_reads, judge, shape_of
from ..core.stored_page import Entry
from ..policy import Policy
from ..recording import COOKIES
from .framework import Site
from .planner import personal as _counting

log: Final = logging.getLogger("isgware")
#: Seconds for which the keys of a cookie session, and the verdict about a header, are cached.
_REMEMBERED: Final = 60.0
_MAX_REMEMBERED: Final = 4_096
#: Longer values are not cached: their sender controls the length.
_LONGEST: Final = 1_024
#: Seconds for which no session is opened after opening one failed, or took longer than the second
#: number (unless it was in the cookie: then the machine was slow, and there is no store to spare).
_PAUSE: Final = 5.0
_SLOW: Final = 0.5
#: Of a page whose policy has nothing to say about cookies.
_BY_READS: Final = Policy()
_MEMO: Final = "session"
_DATA: Final = "session-data"


class VisitorCheck:
    def __init__(self, site: Site, now: Callable[[], float]) -> None:
        self._site = site
        self._now = now
        self._down_until = 0.0
        #: By the value of the session cookie, and by header and reads; each with its expiry.
        self._keys: dict[tuple[str, ...], tuple[frozenset[str], float]] = {}
        self._admitted: dict[tuple[str, Shape], float] = {}
        self._concerned: dict[tuple[str, Shape], float] = {}

    def personal(
        self, visitor: Visitor, policy: Policy, entry: Entry | None, vary_cookie: bool = False
    ) -> Personal | None:
        """Why the visitor gets the app's own answer; ``None`` if the page is for them.
        ``vary_cookie``: learned of the URL, used where no reads are recorded."""
        header = visitor.headers.get("HTTP_COOKIE")
        if not header:
            return None
        if entry is None or entry.reads is None or entry.anonymous or policy.cookies is not None:
            if entry is not None:
                unrecorded = entry.reads is None and vary_cookie
                vary_cookie = entry.anonymous or entry.vary_cookie or unrecorded
            name = _counting(visitor, policy) if vary_cookie else None
            return None if name is None else Personal(COOKIES, name, "")
        if not entry.reads.personal:
            return None
        return self._judged(visitor, str(header), entry.reads, policy)

    def concerned(self, visitor: Visitor, policy: Policy, entry: Entry) -> bool:
        """Whether to fill the holes of a page for this visitor."""
        header = visitor.headers.get("HTTP_COOKIE")
        if not header or not entry.holes or not entry.hole_reads.personal:
            return False
        # If the page's own reads have decided, remember the verdict for the page and its holes
        # together.
        own = entry.reads if policy.cookies is None else None
        reads = joined_reads(own, entry.hole_reads)
        return self._judged(visitor, str(header), reads, policy) is not None

    def fills(self, visitor: Visitor, entry: Entry, shape: Shape) -> bool:
        """Whether a page may be sent to this visitor, with its holes filled. Its reads alone decide
        that: it has no ``cookies=``, and none are in its key. ``shape`` is that of what page and
        holes read."""
        if entry.reads is not None and not entry.reads.personal:
            known = self._concerned.get((str(visitor.headers.get("HTTP_COOKIE")), shape), 0.0)
            if (now := self._now()) < known <= now + _REMEMBERED:
                return True
        return (
            self.personal(visitor, _BY_READS, entry) is None
            and self.concerned(visitor, _BY_READS, entry)
        )  # fmt: skip

    def asks_for(self, visitor: Visitor, policy: Policy, entry: Entry) -> bool:
        """Whether holes that the browser fills may differ from their placeholders for this
        visitor.
        """
        if entry.client_reads is None:
            return True
        header = visitor.headers.get("HTTP_COOKIE")
        return bool(header) and self._judged(
            visitor, str(header), entry.client_reads, policy
        ) is not None  # fmt: skip

    def admits(self, header: str, shape: Shape, now: float) -> bool:
        """Whether it is cached that a visitor with this Cookie header may have a page with reads of
        this shape. Takes no lock."""
        return now < self._admitted.get((header, shape), 0.0) <= now + _REMEMBERED

    def _judged(
        self, visitor: Visitor, header: str, reads: Reads, policy: Policy
    ) -> Personal | None:
        lasting = not (policy.keyed_cookies or policy.keyed_session)

        def session_keys() -> frozenset[str] | None:
            nonlocal lasting
            keys = self._session_keys(visitor, header)
            lasting = lasting and keys is not None and bool(self._site.cookie_session)
            return keys - policy.keyed_session if keys is not None else None

        names = [name for name, _ in self._site.cookies(header)]
        found = judge(reads, names, session_keys, policy.keyed_cookies)
        if lasting and len(header) <= _LONGEST:
            verdicts = self._admitted if found is None else self._concerned
            if len(verdicts) >= _MAX_REMEMBERED:
                verdicts.clear()
            verdicts[header, shape_of(reads)] = self._now() + _REMEMBERED
        return found

    def _session_keys(self, visitor: Visitor, header: str) -> frozenset[str] | None:
        """``None`` if the session cannot be opened."""
        if _MEMO in visitor.memo:
            known: frozenset[str] | None = visitor.memo[_MEMO]
            return known
        holder = self._site.cookie_session
        values = tuple(value for name, value in self._site.cookies(header) if name == holder)
        keys, until = self._keys.get(values, (frozenset(), 0.0))
        now = self._now()
        if not (values and now < until <= now + _REMEMBERED):
            data = self.session(visitor)
            opened = None if data is None else frozenset(data)
            if opened is not None and values and sum(map(len, values)) <= 4 * _LONGEST:
                if len(self._keys) >= _MAX_REMEMBERED:
                    self._keys.clear()
                self._keys[values] = opened, now + _REMEMBERED
            visitor.memo[_MEMO] = opened
            return opened
        visitor.memo[_MEMO] = keys
        return keys

    def session(self, visitor: Visitor) -> Mapping[str, Any] | None:
        """The content of the visitor's session; ``None`` if it cannot be opened."""
        if _DATA not in visitor.memo:
            visitor.memo[_DATA] = self._open(visitor)
        data: Mapping[str, Any] | None = visitor.memo[_DATA]
        return data

    def _open(self, visitor: Visitor) -> Mapping[str, Any] | None:
        began = time.monotonic()
        if began < self._down_until:
            return None
        try:
            data = self._site.session(visitor)
        except Exception:
            self._down_until = time.monotonic() + _PAUSE
            log.exception(
                "A visitor's session could not be opened. For %g s those who have one get the "
                "app's own answers on pages that read it.", _PAUSE,
            )  # fmt: skip
            return None
        if time.monotonic() - began > _SLOW and not self._site.cookie_session:
            self._down_until = time.monotonic() + _PAUSE
        return data
