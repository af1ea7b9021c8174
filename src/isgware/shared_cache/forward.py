"""Forwards requests to the app under ``cache_control="full"``, and handles its reply.

A visitor's request is forwarded unchanged, or with the validators of the stored response in place
of its own. The reply goes to the visitor, and a copy of it to the store if it may be stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from ..core.freshness import State
from ..core.storable import Refusal, streams
from ..http import cache_status as status
from ..http.validation import conditions, describes, updated
from ..rendering.clean_room import WSGIApp
from ..serving.after_answer import Following
from ..serving.engine import Engine
from ..serving.learning import Learner
from ..serving.passthrough import HeaderList, within
from ..storage.process_cache import Page
from .exchange import NOT_OURS, Visit
from .reply import Reply, close_all, copying, nothing, without
from .response_entry import body_allowed, confirms, content_length
from .responses import ResponseStore
from .rules import ERRORS, NO_WISHES, Storing, may_store, stale_on_error, withdraws

log: Final = logging.getLogger("isgware")
_CONDITIONAL: Final = (
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_IF_RANGE",
)  # fmt: skip


class Forwarder:
    def __init__(
        self,
        visit: Visit,
        engine: Engine,
        response_store: ResponseStore,
        behind: Learner,
        application: WSGIApp,
    ) -> None:
        self._visit = visit
        self._engine = engine
        self._response_store = response_store
        self._learner = behind
        self._application = application
        self._copying = False
        self._following = Following(engine, visit.environ)
        self._done: Callable[[], None] = nothing

    def ask(self, page: Page | None) -> Iterable[bytes]:
        """Ask the app; with ``page``, whether it is still valid.

        Where responses are known to be stored when they arrive, one visitor asks for all who
        request the same (RFC 9111, section 4). Otherwise the others would wait in vain.
        """
        if not self._shareable():
            return self._forward(page)
        visit, flights = self._visit, self._engine.renderer.flights
        arrival, nonce = visit.exchange.began
        flight, leads = flights.join(
            "own:" + visit.place.key, arrival, nonce,
            lambda flight: (flight.generation, flight.nonce) == (arrival, nonce),
        )  # fmt: skip
        if leads:
            self._done = lambda: flights.land(flight, None)
            try:
                return self._forward(page)
            finally:
                if not self._copying:
                    self._done()
        if flights.wait(flight, self._engine.settings.wait_time):
            found = self._left()
            if found is not None:
                return visit.send(found, "REVALIDATED" if visit.page else "MISS", collapsed=True)
        return self._forward(page)

    def _left(self) -> Page | None:
        """The response that the visitor who asked the app has stored for those who waited."""
        visit, page_store = self._visit, self._engine.page_store
        page_store.begin(visit.exchange.read_ahead)
        try:
            page_store.sync()
            found, state = self._response_store.find(
                self._response_store.place(visit.visitor) or visit.place
            )
        except Exception:  # a defect of isgware must not become a visitor's error page
            log.exception("isgware failed; the app answers for itself.")
            return None
        finally:
            page_store.end()
        return found if state is State.FRESH else None

    def _shareable(self) -> bool:
        visit = self._visit
        return (
            bool(visit.place.key)
            and visit.visitor.method == "GET"
            and visit.asked is NO_WISHES
            and not visit.credentials
            and "HTTP_RANGE" not in visit.environ
            and visit.environ.keys().isdisjoint(NOT_OURS)
            and self._engine.planner.learned_route(visit.place.base).http
        )

    def _forward(self, page: Page | None) -> Iterable[bytes]:
        visit = self._visit
        environ, asks = visit.environ, False
        if page is not None and visit.visitor.method == "GET":
            if found := conditions(page.entry.validator, page.entry.last_modified):
                environ, asks = {**without(environ, *_CONDITIONAL), **found}, True
        visit.exchange.requested = self._engine.now()
        reply = Reply(visit.start_response)
        try:
            with within(visit.exchange.rendering):  # a generator runs only while it is iterated
                reply.ask(lambda told: self._application(environ, told))
        except Exception:
            stands_in = None if reply.committed else self._stands_in(page)
            if stands_in is not None:
                log.warning("The app failed; %s is served stale.", visit.place.url, exc_info=True)
                return visit.send(stands_in, "STALE", "stale-if-error")
            raise
        if reply.committed or not reply.status:
            return reply.chunks
        code = reply.status[:3]
        if asks and page is not None and code == "304":
            return self._not_modified(page, reply)
        if code.isdigit() and int(code) in ERRORS and (stands_in := self._stands_in(page)):
            reply.drop()
            return visit.send(stands_in, "STALE", "stale-if-error")
        return self.pass_on(reply)

    def _stands_in(self, page: Page | None) -> Page | None:
        """The page to send in place of an error (RFC 5861, section 4): ``page``, unless the app has
        withdrawn it since it was found."""
        visit = self._visit
        if page is None or visit.asked.no_cache:
            return None
        page = self._response_store.latest(visit.place, page)
        directives, age, lifetime = visit.terms(page)
        if not stale_on_error(directives, visit.asked, age=age, lifetime=lifetime):
            return None
        return page

    def _not_modified(self, page: Page, reply: Reply) -> Iterable[bytes]:
        visit, entry, headers = self._visit, page.entry, tuple(reply.headers)
        reply.drop()
        if not confirms(headers, entry):
            log.warning("%s: the app confirmed another page than it has sent.", visit.place.url)
            visit.environ = without(visit.environ, *_CONDITIONAL)
            return self._forward(None)
        fresh = updated(entry.headers, headers)
        try:
            kept = self._response_store.update(visit.place, page, fresh, headers, visit.exchange)
        except Exception:  # the app has confirmed the page, and updating it has failed
            log.exception("%s could not be renewed.", visit.place.url)
            kept = page
        cookies = [pair for pair in headers if pair[0].lower() == "set-cookie"]
        return visit.send(kept, "REVALIDATED", "not-modified", cookies)

    # The reply.

    def pass_on(self, reply: Reply) -> Iterable[bytes]:
        """The app's own answer, and a copy of it for the store if it may be stored."""
        try:
            headers, whole = self._judge(reply)
        except Exception:  # a defect of isgware must not become a visitor's error page
            log.exception("isgware failed; the app answers for itself.")
            headers, whole = reply.headers, None
        if whole is None:
            reply.pass_on(headers)
            return self._following.pass_on(reply.chunks)
        keep = whole

        def unless_overtaken(body: bytes) -> None:
            if not reply.overtaken:
                keep(body)

        length = content_length(reply.headers) if body_allowed(reply.status) else None
        limit = self._engine.settings.max_page
        try:
            chunks = copying(reply.chunks, length, limit, unless_overtaken, lambda: self._done())
        except BaseException:  # it cannot be iterated over
            close_all(reply.chunks)
            raise
        reply.pass_on(headers)
        self._copying = True  # from here on the server closes the body
        return chunks

    def _judge(self, reply: Reply) -> tuple[HeaderList, Callable[[bytes], None] | None]:
        """The headers to send, and the function that stores the body, if it may be stored."""
        visit, headers = self._visit, reply.headers
        self._following.nothing()
        rendering = visit.exchange.rendering
        if rendering.policy is not None:
            following = self._following
            return self._learner.met_decorator(visit.visitor, headers, rendering, following), None
        now = self._engine.now()
        verdict = self._verdict(reply, now)
        if isinstance(verdict, Refusal):
            if self._ends(reply, verdict):
                fresh = visit.state is State.FRESH
                self._response_store.withdraw(visit.place, visit.exchange, fresh=fresh)
            return self._learning(reply, verdict) or headers, None
        if visit.visitor.method == "HEAD":
            self._saw_head(reply)
            return headers, None
        place = self._response_store.extended(visit.place, visit.visitor, verdict)
        if place is None or not self._fits(content_length(headers)):
            return headers, None
        self._response_store.coming(place, visit.exchange.read_ahead)
        line, fields = reply.status, tuple(headers)

        def whole(body: bytes) -> None:
            self._response_store.keep(place, line, fields, body, verdict, now, visit.exchange)

        return self._headers_of(reply), whole

    def _verdict(self, reply: Reply, now: float) -> Storing | Refusal:
        visit = self._visit
        if visit.exchange.rendering.refused:
            return Refusal("no-store")
        if streams(reply.headers):
            return Refusal("streaming")
        return may_store(
            reply.status,
            tuple(reply.headers),
            credentials=visit.credentials,
            asked_not_to=visit.asked.no_store,
            requested=visit.exchange.requested,
            received=now,
            heuristic=self._engine.settings.heuristic,
        )

    def _ends(self, reply: Reply, verdict: Refusal) -> bool:
        """Whether this answer withdraws the stored response. An answer to a request with
        credentials, or with no-store, does not decide what others may get."""
        visit = self._visit
        if visit.credentials or visit.asked.no_store:
            return False
        return withdraws(reply.status, verdict)

    def _learning(self, reply: Reply, verdict: Refusal) -> HeaderList | None:
        """Treat a response without rules for its storage as a page for ``ISG(revalidate=)``."""
        if verdict.reason != "no-lifetime":
            return None
        if self._engine.settings.revalidate is not None:
            return self._learner.learn(
                self._visit.visitor, reply.status, reply.headers, self._following
            )
        self._visit.said_nothing = True
        return None

    def _fits(self, length: int | None) -> bool:
        return length is None or 0 <= length <= self._engine.settings.max_page

    def _headers_of(self, reply: Reply) -> HeaderList:
        """The app's headers, with a note that its answer is stored."""
        visit = self._visit
        said = status.forwarded(visit.forwarded, status=int(reply.status[:3]), stored=True)
        label = "MISS" if visit.page is None else "REVALIDATED"
        return [*reply.headers, ("X-ISG-Cache", label), ("Cache-Status", said)]

    def _saw_head(self, reply: Reply) -> None:
        """Update the stored response by a response to HEAD (4.3.5)."""
        visit = self._visit
        page = visit.page
        if page is None or visit.state is State.GONE or reply.status[:3] != "200":
            return
        entry, headers = page.entry, tuple(reply.headers)
        if describes(headers, entry.validator, entry.last_modified, len(entry.body)):
            fresh = updated(entry.headers, headers)
            self._response_store.update(visit.place, page, fresh, headers, visit.exchange)
        elif entry.code == 200:
            self._response_store.drop(visit.place, visit.exchange)
