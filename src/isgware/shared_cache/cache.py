"""``cache_control="full"``: pages of undeclared routes, stored from visitors' own requests.

A shared cache (RFC 9111), and the only part of isgware that stores the answer to a visitor instead
of rendering the page again in the clean room. So it stores no response that sets a cookie, that is
for one visitor, or that depends on more of the request than its Vary lists. `rules` decides; this
module acts on the decisions, and `forward` asks the app where needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Final

from ..backends.read_ahead import ReadAhead
from ..core.cache_key import Visitor, ambiguous_target, decoded
from ..core.freshness import State, path_name
from ..core.hosts import normal_host
from ..http.vary import REROUTING
from ..render_context import Rendering
from ..rendering.clean_room import StartResponse, WSGIApp
from ..routing.planner import has_credentials
from ..serving.engine import Engine
from ..serving.learning import Learner
from ..serving.passthrough import Environ, HeaderList, bypassed, call, looking, within
from ..serving.prepared_hits import target_of
from ..storage.process_cache import Raw, worth_remembering
from .background import Background
from .exchange import NOT_OURS, Serve, Visit
from .forward import Forwarder
from .locations import Exchange
from .related_urls import located
from .reply import Reply
from .responses import ResponseStore
from .rules import NO_WISHES, Use, Wishes, choose, wishes

log: Final = logging.getLogger("isgware")
#: A response with one of these fields may have rules for its storage.
_SAYING: Final = frozenset({
    "cache-control", "cdn-cache-control", "isg-cache-control", "expires", "last-modified",
})  # fmt: skip
#: For so many seconds a URL without such fields is not looked up in the store.
_PASSED_SECONDS: Final = 5.0
_MAX_SILENT: Final = 8_192
#: `isgware.http.vary.REROUTING` as keys of an environ.
REROUTED: Final = tuple(sorted("HTTP_" + name.upper().replace("-", "_") for name in REROUTING))
_TIMEOUT: Final = "504 Gateway Timeout"


class SharedCache:
    def __init__(
        self,
        engine: Engine,
        behind: Learner,
        response_store: ResponseStore,
        application: WSGIApp,
        serve: Serve,
    ) -> None:
        self._engine = engine
        self._learner = behind
        self.response_store = response_store
        self._background = Background(engine, response_store, application)
        self.application = application
        self._serve = serve
        self._passed: dict[Raw, float] = {}

    def concerns(self, visitor: Visitor) -> bool:
        """Whether a response of this URL is stored."""
        return self.response_store.concerns(visitor)

    def __call__(
        self, visitor: Visitor, raw: Raw, environ: Environ, start_response: StartResponse,
        rendering: Rendering, read_ahead: ReadAhead,
    ) -> Iterable[bytes]:  # fmt: skip
        """The response to a GET or HEAD of an undeclared URL. ``read_ahead``: of this visit."""
        try:
            visit = self._look(visitor, environ, start_response, rendering, read_ahead)
        except Exception:  # a defect of isgware must not become a visitor's error page
            log.exception("isgware failed; the app answers for itself.")
            told = looking(start_response, lambda _, said: bypassed(said, "isgware-failed"))
            return call(self.application, environ, told, rendering)
        if visit is None:
            return call(self.application, environ, start_response, rendering)
        chunks = self._answer(visit)
        if self._passes(visit) and worth_remembering(raw):
            if len(self._passed) >= _MAX_SILENT:
                self._passed.clear()
            self._passed[raw] = time.monotonic() + _PASSED_SECONDS
        return chunks

    def _look(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering, read_ahead: ReadAhead,
    ) -> Visit | None:  # fmt: skip
        if _has_body(environ) or self.response_store.is_draft(visitor) or _ambiguous(environ):
            return None
        if normal_host(visitor.scheme, visitor.host) != visitor.host:
            # The app may have put this spelling into the page, which others would get.
            return None
        page_store = self._engine.page_store
        page_store.begin(read_ahead)
        try:
            page_store.sync()
            version = page_store.settled
            place = self.response_store.place(visitor)
            if place is None:
                return None
            # Before the page is judged: a 304 must not bring back what is purged after that.
            exchange = Exchange(
                self.response_store.begin(visitor), rendering, read_ahead=read_ahead
            )
            page, state = self.response_store.find(place)
        finally:
            page_store.end()
        return Visit(
            visitor, place, environ, start_response, exchange, asked(environ),
            has_credentials(environ), page, state, version, self._serve, self._engine.now,
        )  # fmt: skip

    def _answer(self, visit: Visit) -> Iterable[bytes]:
        use = self._use(visit)
        if use is Use.VALIDATE and self._renewed_elsewhere(visit):
            use = self._use(visit)
        page = visit.page
        if use is Use.TIMEOUT:
            return _timeout(visit)
        if page is None or use in (Use.FORWARD, Use.VALIDATE):
            return self._asking(visit).ask(page if use is Use.VALIDATE else None)
        detail = "max-stale" if use is Use.STALE else ""
        if use is Use.REFRESH and not self._background.refresh(visit.place):
            detail = "regeneration-dropped"
        return visit.send(page, "HIT" if use is Use.FRESH else "STALE", detail)

    def _use(self, visit: Visit) -> Use:
        if not visit.place.key or not visit.environ.keys().isdisjoint(NOT_OURS):
            return Use.FORWARD
        directives, age, lifetime = visit.terms(visit.page)
        return choose(
            visit.state, directives, age=age, lifetime=lifetime,
            credentials=visit.credentials, asked=visit.asked,
        )  # fmt: skip

    def _renewed_elsewhere(self, visit: Visit) -> bool:
        """Whether another process has renewed the stale copy of this process: the store is asked
        before the app."""
        known, page_store = visit.page, self._engine.page_store
        if visit.state is State.FRESH or known is None or not known.entry.revalidate:
            return False
        page_store.begin(visit.exchange.read_ahead)
        try:
            found, state = self.response_store.find(visit.place, again=True)
        except Exception:  # as in `__call__`
            log.exception("isgware failed; the app answers for itself.")
            return False
        finally:
            page_store.end()
        if found is None or found is known:
            return False
        visit.page, visit.state = found, state
        return True

    def _asking(self, visit: Visit) -> Forwarder:
        return Forwarder(visit, self._engine, self.response_store, self._learner, self.application)

    # Responses without rules for their storage: on most sites most of them.

    def _passes(self, visit: Visit) -> bool:
        return visit.said_nothing and visit.page is None and not self._engine.settings.debug

    def passes_at_once(self, raw: Raw, environ: Environ) -> bool:
        """Whether this URL's response had no such fields a moment ago, and nothing was stored for
        it."""
        return (
            self._passed.get(raw, 0.0) > time.monotonic()
            and environ.get("HTTP_CACHE_CONTROL") is None
        )

    def glance(
        self, visitor: Visitor, raw: Raw, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        """The app's answer without a look into the store; followed by a full look if it has such
        fields."""
        exchange = Exchange(self.response_store.begin(visitor), rendering, self._engine.now())
        reply = Reply(start_response)
        with within(rendering):
            reply.ask(lambda told: self.application(environ, told))
        if reply.committed or not reply.status:
            return reply.chunks
        says = any(name.lower() in _SAYING for name, _ in reply.headers)
        if rendering.policy is None and not says:
            reply.pass_on(reply.headers)
            return reply.chunks
        self._passed.pop(raw, None)
        return self._look_again(visitor, environ, start_response, reply, exchange)

    def _look_again(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        reply: Reply, exchange: Exchange,
    ) -> Iterable[bytes]:  # fmt: skip
        try:
            rendering = exchange.rendering
            visit = self._look(visitor, environ, start_response, rendering, exchange.read_ahead)
        except Exception:  # as above
            log.exception("isgware failed; the app answers for itself.")
            visit = None
        if visit is None:
            reply.pass_on(reply.headers)
            return reply.chunks
        visit.exchange = exchange
        return self._asking(visit).pass_on(reply)

    # Unsafe methods.

    def changed(self, visitor: Visitor, headers: HeaderList) -> Iterator[str]:
        """Names of pages, except that of its own URL, which an unsafe request has changed."""
        for other in located(self.response_store.site, visitor, headers):
            if self._engine.concerns(other) or self.response_store.concerns(other):
                yield path_name(decoded(other.script_name + other.path))


def asked(environ: Environ) -> Wishes:
    """The cache directives of a request, if there are any."""
    said, pragma = environ.get("HTTP_CACHE_CONTROL"), environ.get("HTTP_PRAGMA")
    return NO_WISHES if said is None and pragma is None else wishes(said, pragma)


def _has_body(environ: Environ) -> bool:
    return environ.get("CONTENT_LENGTH") not in (None, "", "0") or bool(
        environ.get("HTTP_TRANSFER_ENCODING")
    )


def _ambiguous(environ: Environ) -> bool:
    """Whether the request line, under either of the names that servers use and apps may read, has
    more than the key."""
    return any(ambiguous_target(target) for target in target_of(environ) if target)


def _timeout(visit: Visit) -> Iterable[bytes]:
    """Only a stored response would do, and none may be used (5.2.1.7)."""
    body = b"Not in the cache, and the request asked for nothing else.\n"
    visit.start_response(_TIMEOUT, [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-ISG-Cache", "BYPASS"),
        ("Cache-Status", "isgware; detail=only-if-cached"),
    ])  # fmt: skip
    return [] if visit.visitor.method == "HEAD" else [body]
