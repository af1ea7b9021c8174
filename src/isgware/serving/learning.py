"""What follows the app's own answer to a visitor, where no stored page is served.

*Learning*: the URL is not declared, or its decorator was just seen to run. The visitor gets the
app's own answer; if it looks storable, the page is rendered in the clean room for the next visitor.
*Report* (``enabled="report"``): nothing is served or stored; what would have been, and where it
would have differed, is logged and counted. *Develop*: each visit renders, nothing is stored.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from ..core.cache_key import Visitor
from ..core.decide import Action, Decision
from ..core.header_reads import header_of
from ..core.places import between, blanked, in_body
from ..core.preconditions import Answer, fitted
from ..core.redirects import redirected
from ..core.storable import for_everybody, promising, varies
from ..core.stored_page import Entry
from ..http import cache_status as status
from ..http.fields import Headers
from ..regeneration.local_queue import Work
from ..render_context import Rendering
from ..rendering.clean_room import StartResponse, WSGIApp
from ..rendering.result import Failed, Made, Refused
from ..routing.framework import Site
from ..routing.learned_routes import LearnedRoute
from ..routing.planner import Target, has_credentials
from ..storage.process_cache import Page
from .after_answer import Following
from .engine import Engine
from .filling import filled
from .own_cookies import for_nobody, without_set_cookie
from .passthrough import Environ, HeaderList, bypassed, call, looking, not_there

log: Final = logging.getLogger("isgware")
_MAX_REPORTED: Final = 8_192
_NOT_STORED: Final = Decision(Action.RENDER, "MISS")


class Learner:
    def __init__(self, engine: Engine, site: Site) -> None:
        self._engine = engine
        self._site = site
        settings = engine.settings
        self._observes = settings.observes
        self._reported: dict[str, float] = {}
        self._logged: set[tuple[str, str]] = set()
        #: Report mode's counts: pages that would be stored and equal or differ from the visitors'
        #: own answers, and answers that would not be stored.
        self.report = {"same": 0, "differs": 0, "refused": 0, "failed": 0}

    # Learning.

    def undeclared(
        self, visitor: Visitor, application: WSGIApp, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> tuple[Iterable[bytes], bool]:  # fmt: skip
        """The app's own answer, and whether there was nothing to learn from it."""
        nothing_to_store, behind = False, Following(self._engine, environ)

        def look(line: str, headers: HeaderList) -> HeaderList | None:
            nonlocal nothing_to_store
            if rendering.policy is not None:
                return self.met_decorator(visitor, headers, rendering, behind)
            learning = self.learn(visitor, line, headers, behind)
            if learning is None:
                behind.nothing()
                nothing_to_store = not has_credentials(visitor.headers)
            if visitor.method == "GET":  # an answer to HEAD is never worth a render
                self._note(visitor, promising=learning is not None, nothing=nothing_to_store)
            return learning

        answer = call(application, environ, looking(start_response, look), rendering)
        return behind.pass_on(answer), nothing_to_store

    def _note(self, visitor: Visitor, *, promising: bool, nothing: bool) -> None:
        engine = self._engine
        if engine.learns_by_route and (promising or nothing):
            route = engine.planner.names.of(visitor)
            (engine.unpromising.promising if promising else engine.unpromising.answered)(route)

    def learn(
        self, visitor: Visitor, line: str, headers: HeaderList, behind: Following
    ) -> HeaderList | None:
        """Queue a render of the page after this answer if it looks storable, and return its headers
        then."""
        target = self._worth_rendering(visitor, line, headers)
        if target is None:
            return None
        behind.learned(target, headers)
        return bypassed(headers, "learning")

    def met_decorator(
        self, visitor: Visitor, headers: HeaderList, rendering: Rendering, behind: Following
    ) -> HeaderList:
        policy, engine = rendering.policy, self._engine
        assert policy is not None
        if policy.revalidate == 0 and policy.revalidate is not False:
            return bypassed(headers, "revalidate-0")
        target = engine.planner.undeclared_target(
            visitor, varies(tuple(headers)) - {"*"}, policy, rendering.arguments or {}
        )
        if target is None:
            return bypassed(headers, "odd-request")
        known = engine.planner.learned_route(target.base)
        engine.planner.declarations.met(target.base)
        engine.planner.remember(target.base, replace(known, fingerprint=policy.fingerprint))
        if reason := engine.outcomes.refusal(target.key):
            return bypassed(headers, reason)
        behind.learned(target, headers)
        return bypassed(headers, "learning")

    def _worth_rendering(self, visitor: Visitor, line: str, headers: HeaderList) -> Target | None:
        if not self._observes or visitor.method != "GET":
            return None
        # Most answers are refused for what they are without their cookies.
        fields = without_set_cookie(headers)
        if self._verdict(line, fields) is not None or has_credentials(visitor.headers):
            return None
        if len(fields) != len(headers):
            if self._engine.skips_undeclared(visitor):
                return None  # to open the session that is sent costs more than all else
            fields = for_nobody(self._site, visitor, tuple(headers))
            if self._verdict(line, fields) is not None:
                return None
        target = self._engine.planner.undeclared_target(visitor, varies(fields), None, {})
        if target is None:
            return None
        outcomes, fingerprint = self._engine.outcomes, target.policy.fingerprint
        return None if outcomes.refusal(target.key, target.group, fingerprint) else target

    def _verdict(self, line: str, fields: Headers) -> str | None:
        """Why an answer with these fields merits no render; ``None`` if it does."""
        settings = self._engine.settings
        return promising(
            line,
            fields,
            default=settings.revalidate,
            obey=settings.cache_control != "ignore",
            full=settings.cache_control == "full",
            now=self._engine.now(),
        )

    # Declared routes whose pages are refused.

    def watching_refused(
        self, visitor: Visitor, group: str, reason: str, rendering: Rendering
    ) -> Callable[[str, HeaderList], None] | None:
        """What checks whether the app's own answer looks storable, while pages of its route are
        skipped. If it does, the page is tried at once. ``None`` if no check is needed."""
        routes = self._engine.outcomes.routes
        cookies = "HTTP_COOKIE" in visitor.headers
        if visitor.method != "GET" or not routes.hints_at_change(group, reason, cookies=cookies):
            return None

        def look(line: str, headers: HeaderList) -> None:
            never = rendering.revalidate == 0 and rendering.revalidate is not False
            if not (never or rendering.refused) and for_everybody(line, tuple(headers)):
                self._try(visitor, group)

        return look

    def _try(self, visitor: Visitor, group: str) -> None:
        engine = self._engine
        engine.page_store.begin()
        try:
            plan = engine.planner.plan(visitor)
            if plan is not None and plan.target is not None and not plan.bypass:
                engine.outcomes.routes.tries_early(group, plan.target.key)
                engine.background.schedule(plan.target)
        except Exception:  # the visitor has the answer all the same
            log.exception("%s could not be tried again.", visitor.path)
        finally:
            engine.page_store.end()

    # Modes without a store.

    def without_store(
        self, mode: str, visitor: Visitor, application: WSGIApp, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        engine = self._engine
        plan = engine.planner.plan(visitor)
        if plan is None and mode == "report" and self._observes:
            return self._compare(None, visitor, application, environ, start_response, rendering)
        if plan is None:
            return call(application, environ, start_response, rendering)
        if plan.target is None or plan.bypass:
            return self._own(plan.bypass, application, environ, start_response, rendering)
        if mode == "report":
            return self._compare(
                plan.target, visitor, application, environ, start_response, rendering
            )
        if engine.fallback.unlisted(plan.target, None, _NOT_STORED):
            return not_there(visitor, self._site, application, environ, start_response, rendering)
        made = self._develop(visitor, plan.target)
        if isinstance(made, str):
            return self._own(made, application, environ, start_response, rendering)
        answer = _shown(made, visitor, self._site, environ, engine.now())
        if isinstance(answer, str):
            return self._own(answer, application, environ, start_response, rendering)
        start_response(answer[0], answer[1])
        return answer[2]

    def _own(
        self, detail: str, application: WSGIApp, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        told = looking(start_response, lambda _, headers: bypassed(headers, detail))
        return call(application, environ, told, rendering)

    def _rendered(self, visitor: Visitor, target: Target) -> Made | Refused | Failed:
        """The clean-room render for this visitor: once more with headers of theirs that it has
        looked at."""
        made = self._engine.renderer.producer.attempt(target, None)
        if isinstance(made, Made) and any(visitor.header(header_of(name)) for name in made.learned):
            known = self._engine.planner.learned_route(target.base)
            vary = tuple(sorted({*known.vary, *made.learned}))
            self._engine.planner.remember(target.base, LearnedRoute(vary))
            again = self._engine.planner.plan(visitor)
            if again is not None and again.target is not None:
                made = self._engine.renderer.producer.attempt(again.target, None)
        return made

    def _develop(self, visitor: Visitor, target: Target) -> Made | str:
        made = self._rendered(visitor, target)
        if isinstance(made, Made):
            found = self._engine.visitors.personal(visitor, target.policy, made.entry)
            return made if found is None else found.detail
        if isinstance(made, Failed) and made.error is not None:
            raise made.error
        return made.reason if not isinstance(made, Failed) else "render-failed"

    def _compare(
        self, target: Target | None, visitor: Visitor, application: WSGIApp, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        """The visitor's own answer; after it, it is compared with a clean-room render. Without a
        ``target`` the route is not declared, and its answer shows whether it counts."""
        line, chosen = "", target

        def look(status_line: str, headers: HeaderList) -> HeaderList | None:
            nonlocal line, chosen
            line = status_line
            if target is None:
                chosen = self._worth_rendering(visitor, status_line, headers)
                return None
            return bypassed(headers, "report")

        def whole(body: bytes) -> None:
            if chosen is not None and visitor.method == "GET" and self._report_due(chosen):
                work = Work(
                    "report:" + chosen.key, lambda: self._judge(visitor, chosen, line, body)
                )
                self._engine.background.pool.submit(work)

        chunks = call(application, environ, looking(start_response, look), rendering)
        return _Tee(chunks, self._engine.settings.max_page, whole)

    def _report_due(self, target: Target) -> bool:
        """Whether to compare this page now: only once in a while, so that reporting does not double
        the work."""
        now = time.monotonic()
        if self._reported.get(target.key, 0.0) > now:
            return False
        if len(self._reported) >= _MAX_REPORTED:
            self._reported.clear()
        self._reported[target.key] = now + self._engine.settings.dynamic_time
        return True

    def _judge(self, visitor: Visitor, target: Target, line: str, body: bytes) -> None:
        made = self._rendered(visitor, target)
        if isinstance(made, Made) and self._engine.visitors.personal(
            visitor, target.policy, made.entry
        ):
            self._reported.pop(target.key, None)  # they would get the very answer that they got
            return
        if isinstance(made, Failed):
            verdict, text = "failed", f"would fail in the clean room: {made.reason}"
        elif not isinstance(made, Made):
            verdict, text = "refused", f"would not be stored: {made.reason}"
        elif made.entry.status[:3] == line[:3] and _alike(made.entry, body):
            verdict, text = "same", "would be stored, equal to what its visitor got"
        else:
            verdict, text = "differs", "would be stored, and differs from what its visitor got"
        self.report[verdict] += 1
        about = target.route if target.declared else target.request.full_path
        if (about, verdict) not in self._logged and len(self._logged) < _MAX_REPORTED:
            self._logged.add((about, verdict))
            log.info("report: %s (%s) %s.", target.route, target.request.url, text)


def _alike(entry: Entry, body: bytes) -> bool:
    """Whether a visitor's body equals that of the page, except for the visitor's own values."""
    if holes := sorted((*entry.holes, *entry.client_holes)):
        pieces = list(map(bytes, between(entry.body, holes)))
        start = 0
        for piece in pieces[:-1]:
            at = body.find(piece, start)
            if at < 0 or (not start and at):
                return False
            start = at + len(piece)
        return body[start:].endswith(pieces[-1])
    places = in_body(entry.places)
    like = blanked(body, places) if len(body) == len(entry.body) else body
    return entry.body == like


def _shown(made: Made, visitor: Visitor, site: Site, environ: Environ, now: float) -> Answer | str:
    """The answer with a page that is not stored, or why this visitor gets the app's own answer."""
    if made.entry.holes or made.entry.client_holes:  # shown filled to the developer
        return "holes"
    headers = [pair for pair in made.entry.headers if pair[0].lower() != "cache-control"]
    entry = replace(made.entry, headers=(*headers, ("Cache-Control", "no-store")))
    said = status.forwarded("miss", status=entry.code, detail="debug")
    page = Page(entry, 0, "")
    if entry.places:  # Cache-Control is the last header, so places keep their indexes
        return filled(page, visitor, site, "MISS", said)
    answer = page.answer(visitor.header("Accept-Encoding"), now, "MISS", said)
    answer = answer[0], redirected(answer[1], entry, visitor.query), answer[2]
    return fitted(answer, made.entry, environ)


class _Tee:
    """An app's iterable that copies the body, and passes the copy on if it was complete."""

    def __init__(self, chunks: Iterable[bytes], limit: int, whole: Any) -> None:
        self._chunks = chunks
        self._iterator: Iterator[bytes] | None = None
        self._limit = limit
        self._whole = whole
        self._kept: list[bytes] = []
        self._size = 0
        self._done = False

    def __iter__(self) -> Iterator[bytes]:
        self._iterator = iter(self._chunks)
        return self

    def __next__(self) -> bytes:
        assert self._iterator is not None
        try:
            chunk = next(self._iterator)
        except StopIteration:
            if not self._done and self._size <= self._limit:
                self._whole(b"".join(self._kept))
            self._done = True
            raise
        self._size += len(chunk)
        if self._size <= self._limit:
            self._kept.append(chunk)
        return chunk

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
