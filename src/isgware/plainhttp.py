"""``cache_control="full"``: pages of undeclared routes, kept from visitors' own requests.

A correct shared cache (RFC 9111), and the one part of isgware that stores what somebody was
answered instead of rendering the page again in the clean room. So nothing is stored that sets a
cookie, that is for one visitor, or that was chosen by more of the request than its Vary says.
Decisions are `isgware.core.rfc9111`'s; here they are carried out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from .core import status
from .core.directives import effective
from .core.freshness import State, path_name
from .core.request import Visitor, decoded
from .core.rfc9111 import (
    ERRORS,
    NO_WISHES,
    Storing,
    Use,
    Wishes,
    choose,
    may_store,
    stale_on_error,
    wishes,
)
from .core.storable import Refusal
from .core.validate import conditions, describes, is_about, updated
from .engine import Answer
from .keeping import Keeper, Place, body_allowed, content_length
from .memory import Page
from .own import Environ, HeaderList, call
from .page import Rendering
from .planner import has_credentials
from .render import StartResponse
from .reply import Reply, copying, without

if TYPE_CHECKING:
    from .behind import Behind
    from .engine import Engine
    from .render import WSGIApp

log: Final = logging.getLogger("isgware")
_CONDITIONAL: Final = (
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_IF_RANGE",
)  # fmt: skip
#: Conditions that are the app's to judge (RFC 9111, section 4.3.2).
_NOT_OURS: Final = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
_TIMEOUT: Final = "504 Gateway Timeout"
#: Serves a stored page: (visitor, answer, page, environ, start_response) to body.
Serve = Callable[[Visitor, Answer, Page, Environ, StartResponse], Iterable[bytes]]


class PlainHTTP:
    def __init__(
        self, engine: Engine, behind: Behind, keeper: Keeper, application: WSGIApp, serve: Serve
    ) -> None:
        self._engine = engine
        self._behind = behind
        self.keeper = keeper
        self._application = application
        self._serve = serve

    def __call__(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        """The response to a GET or HEAD of an undeclared URL."""
        engine, place = self._engine, None
        if not _has_body(environ) and not self.keeper.is_draft(visitor):
            engine.shelf.sync()
            word = engine.shelf.settled
            place = self.keeper.place(visitor)
        if place is None:
            return call(self._application, environ, start_response, rendering)
        visit = _Visit(self, visitor, place, word, environ, start_response, rendering)
        return visit.answer()

    def changed(self, visitor: Visitor, headers: HeaderList) -> Iterator[str]:
        """Names of pages besides its own URL's that an unsafe request has changed."""
        for other in self.keeper.located(visitor, headers):
            if self._engine.concerns(other) or self.keeper.concerns(other):
                yield path_name(decoded(other.script_name + other.path))


class _Visit:
    """One request, and what becomes of it."""

    def __init__(
        self, http: PlainHTTP, visitor: Visitor, place: Place, word: int, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> None:  # fmt: skip
        self._http = http
        self._keeper = http.keeper
        self._engine = http._engine
        self._visitor = visitor
        self._place = place
        self._word = word
        self._environ = environ
        self._start_response = start_response
        self._rendering = rendering
        self._credentials = has_credentials(environ)
        self._asked = asked(environ)
        self._page, self._state = self._keeper.find(place)
        self._began = self._keeper.begin(place)
        self._requested = 0.0

    def answer(self) -> Iterable[bytes]:
        page, state = self._page, self._state
        use = Use.FORWARD
        if self._place.key and self._environ.keys().isdisjoint(_NOT_OURS):
            use = self._choose(page, state)
        if use is Use.TIMEOUT:
            return self._timeout()
        if page is None or use is Use.FORWARD:
            return self._forward(None)
        if use is Use.VALIDATE:
            return self._forward(page)
        detail = ""
        if use is Use.REFRESH and not self._keeper.refresh(self._place, page):
            detail = "regeneration-dropped"
        if use is Use.STALE:
            detail = "max-stale"
        return self._send(page, "HIT" if use is Use.FRESH else "STALE", detail)

    def _choose(self, page: Page | None, state: State | None) -> Use:
        directives, age, lifetime = self._terms(page)
        return choose(
            state, directives, age=age, lifetime=lifetime,
            credentials=self._credentials, asked=self._asked,
        )  # fmt: skip

    def _terms(self, page: Page | None) -> tuple[dict[str, str | None], float, float]:
        if page is None:
            return {}, 0.0, 0.0
        directives, _ = effective(page.entry.headers)
        age = self._engine.now() - page.entry.rendered_at
        return directives, age, page.entry.revalidate or 0.0

    def _send(
        self, page: Page, label: str, detail: str = "", cookies: HeaderList | None = None
    ) -> Iterable[bytes]:
        """A stored page. ``cookies``: what a 304 has just set for this visitor alone."""
        place, start_response = self._place, self._start_response
        plain = label == "HIT" and place.plain and self._asked is NO_WISHES
        answer = Answer(
            label, detail, page, forward="stale", plain=plain, cookies=place.cookies,
            word=self._word, stored=label == "REVALIDATED",
        )  # fmt: skip
        if cookies:
            given = start_response

            def start_response(
                line: str, headers: HeaderList, exc_info: object = None
            ) -> Callable[[bytes], object]:
                return given(line, [*headers, *cookies])

        return self._http._serve(self._visitor, answer, page, self._environ, start_response)

    def _timeout(self) -> Iterable[bytes]:
        """Only a stored response would do, and there is none that may be used (5.2.1.7)."""
        body = b"Not in the cache, and the request asked for nothing else.\n"
        self._start_response(_TIMEOUT, [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("X-ISG-Cache", "MISS"),
            ("Cache-Status", "isgware; detail=only-if-cached"),
        ])  # fmt: skip
        return [] if self._visitor.method == "HEAD" else [body]

    # The app is asked.

    def _forward(self, page: Page | None) -> Iterable[bytes]:
        """Ask the app; with ``page``, whether that still holds."""
        environ, asks = self._environ, False
        if page is not None and self._visitor.method == "GET":
            entry = page.entry
            if found := conditions(entry.validator, entry.last_modified):
                environ, asks = {**without(environ, *_CONDITIONAL), **found}, True
        self._requested = self._engine.now()
        reply = Reply(self._start_response)
        try:
            reply.ask(lambda told: call(self._http._application, environ, told, self._rendering))
        except Exception:
            if page is not None and self._stands_in(page):
                log.warning("The app failed; %s is served stale.", self._place.url, exc_info=True)
                return self._send(page, "STALE", "stale-if-error")
            raise
        if reply.committed or not reply.status:
            return reply.chunks
        code = reply.status[:3]
        if asks and page is not None and code == "304":
            return self._not_modified(page, reply)
        if code.isdigit() and int(code) in ERRORS and page and self._stands_in(page):
            reply.drop()
            return self._send(page, "STALE", "stale-if-error")
        return self._pass_on(reply)

    def _stands_in(self, page: Page) -> bool:
        """Whether ``page`` may be sent in place of an error (RFC 5861, section 4)."""
        if self._asked.no_cache:
            return False
        directives, age, lifetime = self._terms(page)
        return stale_on_error(directives, self._asked, age=age, lifetime=lifetime)

    def _not_modified(self, page: Page, reply: Reply) -> Iterable[bytes]:
        entry, headers = page.entry, tuple(reply.headers)
        reply.drop()
        if not is_about(headers, entry.validator):
            log.warning("%s: the app confirmed another page than it was asked for.", entry.route)
            self._environ = without(self._environ, *_CONDITIONAL)
            return self._forward(None)
        fresh = updated(entry.headers, headers)
        kept = self._keeper.update(
            self._place, page, fresh, headers, self._requested, self._began, self._rendering
        )
        cookies = [pair for pair in headers if pair[0].lower() == "set-cookie"]
        return self._send(kept, "REVALIDATED", "not-modified", cookies)

    def _pass_on(self, reply: Reply) -> Iterable[bytes]:
        """The app's own answer, and a copy of it for the store if it may be kept."""
        if self._rendering.policy is not None:
            headers = self._http._behind.met_decorator(
                self._visitor, reply.headers, self._rendering
            )
            reply.pass_on(headers)
            return reply.chunks
        now = self._engine.now()
        verdict = self._verdict(reply, now)
        if isinstance(verdict, Refusal):
            reply.pass_on(self._learning(reply, verdict) or reply.headers)
            return reply.chunks
        if self._visitor.method == "HEAD":
            self._saw_head(reply)
            reply.pass_on(reply.headers)
            return reply.chunks
        place = self._keeper.extended(self._place, self._visitor, verdict)
        length = content_length(reply.headers)
        if place is None or not self._fits(length):
            reply.pass_on(reply.headers)
            return reply.chunks
        line, fields = reply.status, tuple(reply.headers)
        began, rendering = self._began, self._rendering

        def whole(body: bytes) -> None:
            self._keeper.keep(place, line, fields, body, verdict, now, began, rendering)

        announced = length if body_allowed(line) else None
        self._keeper.coming(place)
        chunks = copying(reply.chunks, announced, self._engine.settings.max_page, whole)
        reply.pass_on(self._told(reply))
        return chunks

    def _verdict(self, reply: Reply, now: float) -> Storing | Refusal:
        if self._rendering.refused:
            return Refusal("no-store")
        return may_store(
            reply.status,
            tuple(reply.headers),
            credentials=self._credentials,
            asked_not_to=self._asked.no_store,
            requested=self._requested,
            received=now,
            heuristic=self._engine.settings.heuristic,
        )

    def _learning(self, reply: Reply, verdict: Refusal) -> HeaderList | None:
        """A response that says nothing of itself is a page for ``ISG(revalidate=)``."""
        if verdict.reason != "no-lifetime" or self._engine.settings.revalidate is None:
            return None
        return self._http._behind.learn(self._visitor, reply.status, reply.headers)

    def _fits(self, length: int | None) -> bool:
        return length is None or 0 <= length <= self._engine.settings.max_page

    def _told(self, reply: Reply) -> HeaderList:
        """The app's headers, and that its answer is being stored."""
        replaces = self._page is not None
        said = status.forwarded(
            "stale" if replaces else "uri-miss", status=int(reply.status[:3]), stored=True
        )
        label = "REVALIDATED" if replaces else "MISS"
        return [*reply.headers, ("X-ISG-Cache", label), ("Cache-Status", said)]

    def _saw_head(self, reply: Reply) -> None:
        """A response to HEAD says what GET would now be answered (4.3.5)."""
        page = self._page
        if page is None or self._state is State.GONE or reply.status[:3] != "200":
            return
        entry, headers = page.entry, tuple(reply.headers)
        if describes(headers, entry.validator, entry.last_modified, len(entry.body)):
            fresh = updated(entry.headers, headers)
            self._keeper.update(
                self._place, page, fresh, headers, self._requested, self._began, self._rendering
            )
        elif entry.code == 200:
            self._keeper.drop(self._place)


def asked(environ: Environ) -> Wishes:
    """The directives of a request, if it has any."""
    said, pragma = environ.get("HTTP_CACHE_CONTROL"), environ.get("HTTP_PRAGMA")
    return NO_WISHES if said is None and pragma is None else wishes(said, pragma)


def _has_body(environ: Environ) -> bool:
    return environ.get("CONTENT_LENGTH") not in (None, "", "0") or bool(
        environ.get("HTTP_TRANSFER_ENCODING")
    )
