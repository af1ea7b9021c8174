"""Finds, stores and updates responses to visitors' own requests.

For `cache`, `ResponseStore` does what planner, producer and page store do for the engine: from a
visitor to a `Place`, from a response to a stored page, and from a stale page to a validated one.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Request, Visitor, counting_cookie, url_refusal
from ..core.freshness import CLOCK_TOLERANCE, State, judge
from ..core.storable import MAX_LEARNED, Refusal, varies
from ..core.stored_page import Entry
from ..errors import BackendUnavailable
from ..http.fields import Headers, values
from ..http.lifetime import initial_age
from ..http.vary import REROUTING, selecting
from ..policy import NOTHING
from ..rendering.compress import encoders
from ..routing.drafts import Drafts
from ..routing.framework import Site, origin_of
from ..routing.learned_routes import LearnedRoute
from ..serving.engine import Engine
from ..storage.process_cache import Page, key_name
from .locations import Began, Exchange, Place
from .response_entry import entry_of, same_validator, sealed
from .rules import Storing, kept, may_store

log: Final = logging.getLogger("isgware")
_MAX_ASKED: Final = 8_192


class ResponseStore:
    def __init__(self, engine: Engine, site: Site, drafts: Drafts | None) -> None:
        self._engine = engine
        self.site = site
        self._drafts = drafts
        engine.planner.own_key = self._expected
        self._encoders = encoders(engine.settings.compress)
        #: When the requests were made whose responses withdrew a page, by its key.
        self._withdrawn: dict[str, int] = {}
        self._asked: dict[int, float] = {}  # by hash, since paths may have any length

    # Finding.

    def is_draft(self, visitor: Visitor) -> bool:
        """Whether the visitor always gets the app's own answer."""
        cookie = visitor.headers.get("HTTP_COOKIE")
        if not cookie:
            return False
        names = (*self.site.bypass_cookies, *self.site.language_cookies)
        if names and counting_cookie(cookie, names):
            return True
        return self._drafts is not None and self._drafts.owned(cookie)

    def place(self, visitor: Visitor) -> Place | None:
        """The location of the response; ``None`` if none is stored for URLs like this one."""
        settings = self._engine.settings
        scheme, host = origin_of(self.site, visitor)
        visitor = replace(visitor, scheme=scheme, host=host)
        if url_refusal(visitor):
            return None
        if not self._engine.planner.trusts(scheme, host):
            return None
        bare = Request(scheme, host, visitor.script_name, visitor.path)
        base = bare.base_key(settings.build_id)
        nominated = self._engine.planner.learned_route(base).nominated
        return self._placed(replace(bare, query=visitor.query), base, nominated, visitor)

    def _expected(self, visitor: Visitor, learned_route: LearnedRoute) -> str:
        """The key of the response to this request, if its URL is as ``learned_route`` says."""
        request = Request(
            visitor.scheme, visitor.host, visitor.script_name, visitor.path, visitor.query
        )
        return self._placed(request, "", learned_route.nominated, visitor).key

    def _placed(
        self, request: Request, base: str, nominated: tuple[str, ...], visitor: Visitor
    ) -> Place:
        selected = selecting({*nominated, *REROUTING}, visitor.header)
        if selected is None:
            return Place(request, "", base, nominated)
        request = replace(request, headers=selected)
        return Place(request, request.own_key(self._engine.settings.build_id), base, nominated)

    def extended(self, place: Place, visitor: Visitor, storing: Storing) -> Place | None:
        """``place`` with the fields that a response has now named in Vary; ``None`` if they cannot
        be part of a key."""
        nominated = tuple(sorted({*place.nominated, *storing.vary}))
        if len(nominated) > MAX_LEARNED:
            return None
        place = self._placed(replace(place.request, headers=()), place.base, nominated, visitor)
        return place if place.key else None

    def find(self, place: Place, *, again: bool = False) -> tuple[Page | None, State | None]:
        """The response stored for the request. What was learned of a URL may be evicted before its
        responses, so each repeats the fields by which it is selected. ``again``: as for the page
        store."""
        if not place.key:
            return None, None
        page_store = self._engine.page_store
        page, state = page_store.find(place.key, place.base, NOTHING.fingerprint, again=again)
        if page is not None and not place.tells_apart(varies(page.entry.headers)):
            return None, None
        if page is not None and state is not State.FRESH and self._is_withdrawn(page.entry):
            return None, None
        return page, state

    # Keeping.

    def begin(self, visitor: Visitor) -> Began:
        """Called before the app is asked: its answer is as old as this moment."""
        if len(self._asked) >= _MAX_ASKED:
            self._asked.clear()
        self._asked[hash(visitor.script_name + visitor.path)] = time.monotonic()
        mirror = self._engine.page_store.mirror
        return mirror.counter, mirror.nonce

    def coming(self, place: Place, read_ahead: ReadAhead) -> None:
        """Called before a response is stored: announce to all processes that the URL has one, and
        the fields by which its responses vary."""
        planner, page_store = self._engine.planner, self._engine.page_store
        page_store.begin(read_ahead)
        try:
            known = planner.learned_route(place.base)
            nominated = tuple(sorted({*known.nominated, *place.nominated}))
            wanted = replace(known, http=True, nominated=nominated)
            if wanted != known:
                planner.learn(place.base, wanted, announce=nominated != known.nominated)
        finally:
            page_store.end()

    def keep(
        self, place: Place, line: str, headers: Headers, body: bytes, storing: Storing,
        received: float, exchange: Exchange,
    ) -> None:  # fmt: skip
        """Store a whole response. Never raises: its visitor has it already."""
        try:
            build_id = self._engine.settings.build_id
            entry = entry_of(
                place, line, headers, body, storing, received, build_id, self._encoders
            )
            entry = replace(entry, tags=tuple(dict.fromkeys(exchange.rendering.tags)))
            self._store(place, entry, exchange)
        except Exception:
            log.exception("A response of %s could not be kept.", place.url)

    def _store(
        self, place: Place, entry: Entry, exchange: Exchange, confirmed: Entry | None = None
    ) -> Page:
        """Store a response, unless the answer to a later request is stored already, or has
        withdrawn it; a ``confirmed`` one only in its own place. Returns the page for its visitor.
        """
        page_store = self._engine.page_store
        generation, nonce = exchange.began
        page_store.begin(exchange.read_ahead)
        try:
            # Another process may have replaced the confirmed response since.
            old, state = self.find(place, again=confirmed is not None)
            order = self._order(exchange, old)
            entry = replace(entry, generation=generation, nonce=nonce, order=order)
            replaced = confirmed and old is not None and not same_validator(old.entry, confirmed)
            if replaced or self._is_withdrawn(entry):
                return Page(entry, page_store.mirror.counter, place.base)
            kept, stored = page_store.keep(entry, place.base)
            if stored and old and state is State.FRESH and old.entry.body != entry.body:
                # Before its lifetime ended: other processes would keep theirs (RFC 9111, section
                # 4).
                with suppress(BackendUnavailable):
                    page_store.backend.publish([key_name(entry.key)])
            return kept
        finally:
            page_store.end()

    def _order(self, exchange: Exchange, old: Page | None) -> int:
        if old is None or old.entry.order < exchange.order:
            return exchange.order
        if old.entry.order == exchange.order or old.entry.order > self._future():
            return old.entry.order + 1
        return exchange.order

    def _future(self) -> int:
        """A larger order was made before the clock was put back."""
        return int((self._engine.now() + CLOCK_TOLERANCE) * 1e6)

    def update(
        self, place: Place, page: Page, fresh: Headers, came: Headers, exchange: Exchange
    ) -> Page:
        """The stored page with its fields updated to ``fresh``, after ``came``: a 304, or a
        HEAD."""
        entry, now, rendering = page.entry, self._engine.now(), exchange.rendering
        tag = (("ETag", entry.validator),) if entry.validator else ()
        verdict = may_store(
            entry.status, (*fresh, *tag), credentials=False, requested=exchange.requested,
            received=now, heuristic=self._engine.settings.heuristic,
        )  # fmt: skip
        renewed = replace(
            entry,
            headers=fresh,
            rendered_at=now - initial_age(came, exchange.requested, now),
            last_modified=next(iter(values(fresh, "last-modified")), ""),
        )
        if isinstance(verdict, Refusal) or rendering.refused or not place.tells_apart(verdict.vary):
            self.withdraw(place, exchange, confirmable=False)
            return Page(renewed, self._engine.page_store.mirror.counter, place.base)
        renewed = replace(
            renewed,
            headers=kept(fresh, verdict),
            revalidate=verdict.lifetime,
            expire=verdict.lifetime + verdict.stale,
            tags=tuple(dict.fromkeys((*entry.tags, *rendering.tags))),
        )
        return self._store(place, renewed, exchange, entry)

    def drop(self, place: Place, exchange: Exchange) -> bool:
        """Delete the stored response, unless it was requested later. Returns whether there was
        one."""
        page_store = self._engine.page_store
        page_store.begin(exchange.read_ahead)
        try:
            found, _ = self.find(place, again=True)
            if found is None or found.entry.order > self._order(exchange, found):
                return False
            page_store.drop(place.key)
            return True
        finally:
            page_store.end()

    def withdraw(
        self, place: Place, exchange: Exchange, *, fresh: bool = False, confirmable: bool = True
    ) -> None:
        """The app has answered that the page is gone, or is personal. No process uses the stored
        response any more, unless it is ``confirmable`` and the app confirms it; responses to
        earlier requests are not stored. A ``fresh`` one may be used as long as it is fresh. Never
        raises."""
        if not place.key:
            return
        try:
            if not fresh:
                self._seal(place, exchange, confirmable)
        except Exception:
            log.exception("A response of %s could not be withdrawn.", place.url)
        if len(self._withdrawn) >= _MAX_ASKED:
            self._withdrawn.clear()
        self._withdrawn[place.key] = max(exchange.order, self._withdrawn.get(place.key, 0))

    def _seal(self, place: Place, exchange: Exchange, confirmable: bool) -> None:
        page_store = self._engine.page_store
        page_store.begin(exchange.read_ahead)
        try:
            found, state = self.find(place, again=True)
            if found is None or state is State.GONE:
                return
            entry = found.entry
            order = self._order(exchange, found)
            if entry.order > order:
                return
            if not confirmable:
                entry = replace(entry, validator="", last_modified="")
            page_store.keep(sealed(entry, order), place.base)
            with suppress(BackendUnavailable):
                page_store.backend.publish([key_name(entry.key)])
        finally:
            page_store.end()

    def _is_withdrawn(self, entry: Entry) -> bool:
        return entry.order < self._withdrawn.get(entry.key, -1) <= self._future()

    def latest(self, place: Place, page: Page) -> Page | None:
        """The current response in place of ``page``, which was found a while ago: itself, or its
        replacement; ``None`` if it was purged or withdrawn. The store is asked: another process's
        announcement may not have arrived."""
        page_store = self._engine.page_store
        page_store.sync()
        found, _ = self.find(place, again=True)
        if found is not None and found.entry.order > page.entry.order:
            page = found
        now = self._engine.now()
        state = judge(page.entry, page.names, page_store.mirror, now, NOTHING.fingerprint)
        return None if state is State.GONE or self._is_withdrawn(page.entry) else page

    # Unsafe methods.

    def concerns(self, visitor: Visitor) -> bool:
        """Whether responses of this URL are stored, or may be soon."""
        place = self.place(visitor)
        if place is None:
            return False
        if self._engine.planner.learned_route(place.base, again=True).http:
            return True
        since = time.monotonic() - self._engine.settings.render_timeout
        return self._asked.get(hash(visitor.script_name + visitor.path), 0.0) > since
