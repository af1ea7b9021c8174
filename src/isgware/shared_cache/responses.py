"""Where responses to visitors' own requests lie, and how they get there and are kept up to date.

`ResponseStore` is to `isgware.plainhttp` what planner, producer and shelf are to the engine: from a
visitor to a `Place`, from a response to a stored page, and from a stale page to a validated one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from werkzeug.sansio.utils import host_is_trusted

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Request, Visitor, counting_cookie, oddity
from ..core.freshness import State
from ..core.storable import MAX_LEARNED, Refusal, Response, varies
from ..core.stored_page import Entry, Headers
from ..errors import BackendUnavailable
from ..http.cache_control import effective
from ..http.conditional import is_entity_tag, strong_etag
from ..http.lifetime import initial_age, values
from ..http.validation import conditions, is_about, updated
from ..http.vary import REROUTING, selecting
from ..page import Rendering
from ..policy import NOTHING
from ..regeneration.local_queue import Work
from ..rendering.clean_room import Unfit, WSGIApp, render
from ..rendering.compress import encoders, encodings_of
from ..routing.framework import Site
from ..routing.learned_routes import LearnedRoute
from ..serving.drafts import Drafts
from ..serving.engine import Engine
from ..serving.passthrough import HeaderList
from ..storage.process_cache import Page, key_name
from .locations import Began, Exchange, Place
from .rules import Storing, kept, may_store

log: Final = logging.getLogger("isgware")
_MAX_ASKED: Final = 8_192


class ResponseStore:
    def __init__(
        self, engine: Engine, site: Site, application: WSGIApp, drafts: Drafts | None
    ) -> None:
        self._engine = engine
        self._site = site
        self._application = application
        self._drafts = drafts
        engine.planner.own_key = self._expected
        self._encoders = encoders(engine.settings.compress)
        self._asked: dict[int, float] = {}  # by hash: paths are as long as their sender likes

    # Finding.

    def is_draft(self, visitor: Visitor) -> bool:
        """Whether the visitor is one of those who get the app's own answers, always."""
        cookie = visitor.headers.get("HTTP_COOKIE")
        if not cookie:
            return False
        names = (*self._site.bypass_cookies, *self._site.language_cookies)
        if names and counting_cookie(cookie, names):
            return True
        return self._drafts is not None and self._drafts.owned(cookie)

    def place(self, visitor: Visitor) -> Place | None:
        """``None``: nothing is stored for URLs like this one."""
        settings = self._engine.settings
        scheme, host = self._site.origin(visitor)
        visitor = replace(visitor, scheme=scheme, host=host)
        if oddity(visitor):
            return None
        if settings.trusted_hosts and not host_is_trusted(host, settings.trusted_hosts):
            return None
        bare = Request(scheme, host, visitor.script_name, visitor.path)
        base = bare.base_key(settings.build_id)
        nominated = self._engine.planner.learned_route(base).nominated
        return self._placed(replace(bare, query=visitor.query), base, nominated, visitor)

    def _expected(self, visitor: Visitor, learned_route: LearnedRoute) -> str:
        """The key of the response to this request, if ``learned variants`` is that of its URL."""
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
        """``place`` by what a response has now said that it varies by; ``None`` if that cannot
        be told apart in a key."""
        nominated = tuple(sorted({*place.nominated, *storing.vary}))
        if len(nominated) > MAX_LEARNED:
            return None
        place = self._placed(replace(place.request, headers=()), place.base, nominated, visitor)
        return place if place.key else None

    def find(self, place: Place, *, again: bool = False) -> tuple[Page | None, State | None]:
        """What is stored for the request. What was learned of an URL may be forgotten before its
        responses are; so each says once more by which fields it may be selected. ``again``: as
        for the page store."""
        if not place.key:
            return None, None
        page_store = self._engine.page_store
        page, state = page_store.find(place.key, place.base, NOTHING.fingerprint, again=again)
        if page is not None and not place.tells_apart(varies(page.entry.headers)):
            return None, None
        return page, state

    # Keeping.

    def begin(self, visitor: Visitor) -> Began:
        """The app is about to be asked: what it answers is as old as this moment."""
        if len(self._asked) >= _MAX_ASKED:
            self._asked.clear()
        self._asked[hash(visitor.script_name + visitor.path)] = time.monotonic()
        mirror = self._engine.page_store.mirror
        return mirror.counter, mirror.nonce

    def coming(self, place: Place, read_ahead: ReadAhead) -> None:
        """A response is about to be stored: let every process know that the URL has any, and
        what its responses vary by."""
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
            entry = self._entry(place, line, headers, body, storing, received)
            entry = replace(entry, tags=tuple(dict.fromkeys(exchange.rendering.tags)))
            self._store(place, entry, exchange)
        except Exception:
            log.exception("A response of %s could not be kept.", place.url)

    def _entry(
        self, place: Place, line: str, headers: Headers, body: bytes, storing: Storing,
        received: float,
    ) -> Entry:  # fmt: skip
        response, settings = Response(line, headers, body), self._engine.settings
        validator = response.first("etag")
        directives, _ = effective(headers)
        # A tag that is none cannot be told apart by encoding.
        sealed = bool(validator) and not is_entity_tag(validator)
        return Entry(
            key=place.key,
            request=place.request,
            status=line,
            headers=kept(headers, storing),
            body=body,
            rendered_at=received - storing.age,
            revalidate=storing.lifetime,
            expire=storing.lifetime + storing.stale,
            encodings=encodings_of(
                body,
                response.first("content-type"),
                sealed or bool(response.all("content-encoding")) or "no-transform" in directives
                or response.code != 200,
                self._encoders,
            ),
            etag=validator or (strong_etag(body, "") if response.code == 200 else ""),
            last_modified=response.first("last-modified"),
            fingerprint=NOTHING.fingerprint,
            build_id=settings.build_id,
            route="undeclared",
            error_quota=response.code >= 400,
            own=True,
            validator=validator,
        )  # fmt: skip

    def _store(self, place: Place, entry: Entry, exchange: Exchange) -> Page:
        page_store = self._engine.page_store
        generation, nonce = exchange.began
        page_store.begin(exchange.read_ahead)
        try:
            old, state = self.find(place)
            order = old.entry.order + 1 if old is not None else 0
            entry = replace(entry, generation=generation, nonce=nonce, order=order)
            kept, stored = page_store.keep(entry, place.base)
            if stored and old and state is State.FRESH and old.entry.body != entry.body:
                # Before its time: others would go on with theirs (RFC 9111, section 4).
                with suppress(BackendUnavailable):
                    page_store.backend.publish([key_name(entry.key)])
            return kept
        finally:
            page_store.end()

    def update(
        self, place: Place, page: Page, fresh: Headers, came: Headers, exchange: Exchange
    ) -> Page:
        """A stored page whose fields are now ``fresh``, by what ``came``: a 304, or a HEAD."""
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
            self.drop(place)
            return Page(renewed, self._engine.page_store.mirror.counter, place.base)
        renewed = replace(
            renewed,
            headers=kept(fresh, verdict),
            revalidate=verdict.lifetime,
            expire=verdict.lifetime + verdict.stale,
            tags=tuple(dict.fromkeys((*entry.tags, *rendering.tags))),
        )
        return self._store(place, renewed, exchange)

    def drop(self, place: Place) -> None:
        self._engine.page_store.drop(place.key)

    # Unsafe methods.

    def concerns(self, visitor: Visitor) -> bool:
        """Whether responses of this URL are stored, or may be about to be."""
        place = self.place(visitor)
        if place is None:
            return False
        if self._engine.planner.learned_route(place.base, again=True).http:
            return True
        since = time.monotonic() - self._engine.settings.render_timeout
        return self._asked.get(hash(visitor.script_name + visitor.path), 0.0) > since

    def located(self, visitor: Visitor, headers: HeaderList) -> Iterator[Visitor]:
        """Visits to the URLs that an unsafe method's response says it made or changed: those in
        Location and Content-Location, of the same origin only (RFC 9111, section 4.4)."""
        scheme, host = self._site.origin(visitor)
        here = Request(scheme, host, visitor.script_name, visitor.path, visitor.query).url
        for name, value in headers:
            if name.lower() not in ("location", "content-location"):
                continue
            try:
                there = urlsplit(urljoin(here, value))
                path = unquote_to_bytes(there.path).decode("latin-1")
            except ValueError:
                continue
            if (there.scheme, there.netloc.lower()) != (scheme, host.lower()):
                continue
            if path.startswith(visitor.script_name):
                path = path[len(visitor.script_name) :]
                yield replace(visitor, method="GET", path=path, query=there.query)

    # Behind the visitor.

    def refresh(self, place: Place) -> bool:
        """Validate a page soon, or fetch it anew. False if that had to be refused."""
        engine = self._engine
        key = "own:" + place.key
        try:
            if engine.pool.want(key) or not engine.outcomes.due(place.key):
                return True
            engine.maintenance.start()
            ended = threading.Event()
            work = Work(key, lambda: self._refresh(place, ended), give_up=ended.set)
            return engine.pool.submit(work)
        except Exception:  # there is a page for the visitor all the same
            log.exception("%s could not be revalidated.", place.url)
            return False

    def _refresh(self, place: Place, ended: threading.Event) -> None:
        """Nobody's request: of the first visitor's it holds what Vary names, and nothing else.
        ``ended``: it was given up."""
        engine = self._engine
        engine.page_store.begin()
        engine.page_store.sync()
        page, state = engine.page_store.find(place.key, place.base, NOTHING.fingerprint, again=True)
        if page is None or state is State.FRESH or state is State.GONE:
            return  # purged since: its validators must not bring it back
        try:
            lease = engine.page_store.acquire(place.key, engine.settings.lease_time, page.names)
            if lease is None:
                return
        except BackendUnavailable:
            lease = None
        if lease is not None:
            engine.maintenance.hold(lease)
        try:
            reason = self._renew(place, page, ended)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            if lease is not None:
                engine.maintenance.let_go(lease)
                engine.page_store.release(lease)
        failures = engine.outcomes.failures
        if reason:
            log.warning("%s could not be revalidated: %s", place.url, reason)
            failures.add(place.key, engine.now(), reason, page.entry.revalidate or 1.0, False)
        else:
            failures.clear(place.key)

    def _renew(self, place: Place, page: Page, ended: threading.Event) -> str:
        """Ask the app; empty, or why the page stays as it is."""
        request, entry = place.request, page.entry
        visitor = Visitor(
            "GET", request.scheme, request.host, request.script_name, request.path, "", {}
        )
        rendering = Rendering(True, request.scheme, request.host, request.script_name)
        exchange = Exchange(self.begin(visitor), rendering, self._engine.now())
        found: Mapping[str, str] = conditions(entry.validator, entry.last_modified)
        settings = self._engine.settings
        response = render(
            self._application, request, rendering, settings.max_page, found,
            seconds=settings.render_timeout, wanted=lambda: not ended.is_set(),
        )  # fmt: skip
        if ended.is_set():
            return "it took too long"
        if isinstance(response, Unfit):
            self.drop(place)
            return ""
        if response.code == 304 and found and is_about(response.headers, entry.validator):
            fresh = updated(entry.headers, response.headers)
            self.update(place, page, fresh, response.headers, exchange)
            return ""
        if response.code >= 500 or response.code == 304:
            return f"status {response.status}"
        now = self._engine.now()
        verdict = may_store(
            response.status, response.headers, credentials=False, requested=exchange.requested,
            received=now, heuristic=self._engine.settings.heuristic,
        )  # fmt: skip
        if isinstance(verdict, Refusal) or rendering.refused or not place.tells_apart(verdict.vary):
            self.drop(place)  # whoever comes next asks for themselves
            return ""
        self.keep(place, response.status, response.headers, response.body, verdict, now, exchange)
        return ""


def content_length(headers: HeaderList) -> int | None:
    """What Content-Length says: ``None`` if nothing, -1 if nothing sensible."""
    said = {value.strip() for name, value in headers if name.lower() == "content-length"}
    if not said:
        return None
    text = said.pop()
    return int(text) if not said and text.isascii() and text.isdigit() else -1


def body_allowed(line: str) -> bool:
    """Whether a response with this status has a body (RFC 9110, section 6.4.1)."""
    return line[:3] not in ("204", "304")
