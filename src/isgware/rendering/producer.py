"""From a `Target` to an outcome: render in the clean room, decide, encode, store.

This is the only place where pages are made, for visitors who wait and for the background alike.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from werkzeug.datastructures import Headers as HeaderMap

from ..core.downstream import kept_headers
from ..core.header_reads import header_of, outdated, refined
from ..core.places import in_body
from ..core.reads import Reads, told
from ..core.storable import Learn, Refusal, Response, Said, Terms, storable, unread, varying
from ..core.stored_page import Entry
from ..errors import ConfigurationError
from ..http.cache_control import effective
from ..http.conditional import strong_etag
from ..http.fields import Headers
from ..recording import Recording
from ..render_context import Rendering
from ..routing.learned_routes import LearnedRoute
from ..routing.planner import Planner, Target
from ..settings import Settings
from ..storage.page_store import PageStore
from ..storage.process_cache import Page
from .clean_room import GIVEN_UP, Unfit, WSGIApp, render
from .compress import encoders, encodings_of, spliced
from .notices import Notices
from .observed import observed, unfit
from .placeholders import PlaceholderMaker
from .remedies import NOT_RUN, REMEDIES
from .value_holes import NOT_FOUND, cookies_taken

log: Final = logging.getLogger("isgware")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page was made and kept. ``learned``: headers it turned out to vary by; ``stored``: the
    store took it, too; ``found``: it was there already when it was to be made."""

    page: Page
    learned: tuple[str, ...] = ()
    stored: bool = True
    found: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The app answered, and its answer may not be stored. ``withdraws``: since it is not for
    everybody, so that what is stored of the page may not be served any more either. ``text`` says
    more to people. ``replan``: the page is declared otherwise, or not at all; so plan anew."""

    reason: str
    withdraws: bool = False
    text: str = ""
    replan: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The app raised, or answered a server error. ``proven``: its route has worked before."""

    reason: str
    response: Response | None = None
    error: BaseException | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another process is rendering, or has given its render up: nothing is known here."""


Outcome = Rendered | Refused | Failed | Elsewhere


@dataclass(frozen=True, slots=True)
class Made:
    """A page that may be stored. ``said``: the policy of the decorator that was met, if decorators
    are learned; ``default``: the ``ISG(revalidate=)`` that alone made the page storable.
    ``encodings`` of its body, once it is finished: they become part of the entry as it is kept."""

    entry: Entry
    learned: tuple[str, ...]
    declared: bool
    said: str
    default: str
    encodings: Mapping[str, bytes] = field(default_factory=dict)
    pieces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PageView:
    """A whole page as ``accept`` sees it; the body is not encoded."""

    status: int
    headers: HeaderMap
    body: bytes


class Producer:
    def __init__(
        self,
        application: WSGIApp,
        settings: Settings,
        planner: Planner,
        page_store: PageStore,
        now: Callable[[], float],
        records: bool = False,
        secret: Callable[[], str] = str,
    ) -> None:
        self._application = application
        self._settings = settings
        self._planner = planner
        self._page_store = page_store
        self._now = now
        self._encoders = encoders(settings.compress)
        self._records = records
        self._placeholders = PlaceholderMaker(application, settings, records, secret)
        self._proven: set[str] = set()
        self._notices = Notices()

    def produce(
        self,
        target: Target,
        order: int,
        replaces: Entry | None,
        wanted: Callable[[], bool],
        generation: Callable[[Entry], int] | None = None,
    ) -> Outcome:
        """Render ``target`` and keep the page. ``order`` is its lease's; ``wanted`` is asked
        before it is kept, since a render that was given up must not be; ``generation`` may give
        the page another generation than the one its render began in."""
        mirror = self._page_store.mirror
        began, nonce = mirror.counter, mirror.nonce
        made = self.attempt(target, replaces, wanted)
        if not isinstance(made, Made):
            return Elsewhere() if made == Refused(GIVEN_UP) else made
        if not wanted():
            return Elsewhere()
        made = self.finish(made)
        return self.keep(
            target, made, order, generation(made.entry) if generation else began, nonce
        )

    def finish(self, made: Made) -> Made:
        """The page with its encodings, which nobody needs to decide about it."""
        entry = made.entry
        if not self._encoders:
            return made
        response = Response(entry.status, entry.headers, b"")
        said, _ = effective(entry.headers)
        content_type = response.first("content-type")
        encoded = bool(response.all("content-encoding")) or "no-transform" in said
        if entry.places:
            if "gzip" not in self._encoders:
                return made
            encodings, pieces = spliced(
                entry.body, in_body(entry.places), content_type, encoded
            )  # fmt: skip
            return dataclasses.replace(made, encodings=encodings, pieces=pieces)
        encodings = encodings_of(entry.body, content_type, encoded, self._encoders)
        return dataclasses.replace(made, encodings=encodings) if encodings else made

    def keep(self, target: Target, made: Made, order: int, generation: int, nonce: str) -> Rendered:
        """Store what `attempt` made, under the order of its lease and what it knew of the table of
        invalidations when it began."""
        entry = dataclasses.replace(
            made.entry, generation=generation, nonce=nonce, order=order, encodings=made.encodings,
            pieces=made.pieces,
        )  # fmt: skip
        page, stored = self._page_store.keep(entry, target.base)
        self._tell_reads(entry)
        self._put_up_signpost(target, made)
        return Rendered(page, made.learned, stored)

    def attempt(
        self, target: Target, replaces: Entry | None, wanted: Callable[[], bool] = lambda: True
    ) -> Made | Refused | Failed:
        """Render ``target`` and decide about it, storing nothing. ``wanted`` is asked at each chunk
        of the body: a render that was given up must not go on."""
        request = target.request
        rendering = Rendering(
            True, request.scheme, request.host, request.script_name, key=target.key,
            mapped=self._planner.declarations.has_url_map,
            recording=Recording() if self._records else None, holes=self._placeholders.markers(),
        )  # fmt: skip
        started, clock = self._now(), time.perf_counter()
        try:
            response = render(
                self._application, request, rendering, self._settings.max_page,
                seconds=self._settings.render_timeout, wanted=wanted,
            )  # fmt: skip
        except Exception as error:
            return self._failed(target, f"{type(error).__name__}: {error}", error=error)
        took = time.perf_counter() - clock
        said_of_page = Said(rendering.revalidate, rendering.expire, rendering.refused)
        if isinstance(response, Unfit):
            if response.reason == GIVEN_UP:
                return Refused(GIVEN_UP)
            return self._refused(target, unread(response.head, said_of_page, response.reason))
        if response.status[:1] == "5":
            failed = self._failed(target, f"status {response.status}", response)
            return dataclasses.replace(failed, error=rendering.error)
        self._proven.add(target.route)
        return self._made(target, response, rendering, replaces, (started, took))

    def _made(
        self, target: Target, response: Response, rendering: Rendering, replaces: Entry | None,
        times: tuple[float, float],
    ) -> Made | Refused:  # fmt: skip
        """Decide about a response that has come whole, and make the page of it."""
        started, took = times
        said_of_page = Said(rendering.revalidate, rendering.expire, rendering.refused)
        if replaces is None:  # one that was purged has told something, too
            known = self._page_store.memory.get(target.key)
            before = known.entry if known is not None else None
        else:
            before = replaces
        as_run = self._as_run(target, response, rendering, said_of_page)
        if isinstance(as_run, Refused):
            return as_run
        target, policy = as_run, as_run.policy
        taken = cookies_taken(response, policy.hole_cookies)
        if taken is None:
            return self._refused(target, Refusal(NOT_FOUND))
        response, tokens = taken
        seen = self._observed(target, response, rendering, before, started)
        if isinstance(seen, Refusal):
            return self._refused(target, seen)
        holes = self._placeholders.made(
            target.request, response, rendering, before, started, policy.keyed_cookies
        )
        if isinstance(holes, Refusal):
            return self._refused(target, holes)
        response, reads = seen
        response = varying(response, map(header_of, rendering.headers_read))
        verdict, learned = self._decide(target, response, rendering, said_of_page, replaces)
        if isinstance(verdict, Refusal):
            return self._refused(target, verdict)
        if reads is not None:
            verdict = dataclasses.replace(verdict, vary_cookie=reads.personal)
        private = dataclasses.replace(
            verdict, vary_cookie=verdict.vary_cookie or holes.reads.personal
        )
        page = self._entry(target, response, verdict, rendering, started, took)
        headers = self._headers(target, holes.private(response), private)
        page = dataclasses.replace(page, headers=headers, reads=reads)
        entry = holes.put_in(page, tokens, rendering.finders)
        if isinstance(entry, Refusal):
            return self._refused(target, entry)
        if replaces is not None and not self._accepted(target, replaces, entry):
            return self._refused(target, Refusal("not-accepted"))
        self._notices.own_invalidations(target, entry, rendering)
        said = rendering.policy.fingerprint if rendering.policy is not None else ""
        default = self._planner.declarations.default if verdict.by_default else ""
        return Made(entry, learned, target.declared, said, default)

    def _as_run(
        self, target: Target, response: Response, rendering: Rendering, said: Said
    ) -> Target | Refused:
        """``target`` under the policy of the decorator that ran, if one did."""
        declarations = self._planner.declarations
        if other := declarations.not_as_planned(target, response.code, rendering):
            again = Refused(NOT_RUN, other.gone, replan=True)
            return again if other.replan else self._refused(target, unread(response, said, NOT_RUN))
        try:
            target = declarations.as_run(target, rendering)
        except ConfigurationError as error:
            log.error("%s: %s", target.request.url, error)
            return self._refused(target, unread(response, said, "odd-tag"))
        if rendering.odd_tag:
            return self._refused(target, unread(response, said, "odd-tag"))
        return target

    def _observed(
        self, target: Target, response: Response, rendering: Rendering, before: Entry | None,
        now: float,
    ) -> tuple[Response, Reads | None] | Refusal:  # fmt: skip
        """What the render was seen to ask of its visitor, together with what earlier renders of
        the page have asked, one that was purged included."""
        recording, policy = rendering.recording, target.policy
        if recording is None or not recording.attached:
            return response, None
        return unfit(recording, response) or observed(
            recording, response, unread=(*policy.keyed_cookies, *policy.hole_cookies),
            keep_vary=policy.keep_vary,
            before=before.reads if before is not None else None, now=now,
        )  # fmt: skip

    def _decide(
        self, target: Target, response: Response, rendering: Rendering, said: Said,
        replaces: Entry | None,
    ) -> tuple[Terms | Refusal, tuple[str, ...]]:  # fmt: skip
        keyed = target.keyed - outdated(target.lists, rendering.headers_read)
        learned: tuple[str, ...] = ()
        for _ in range(2):
            verdict = storable(
                response,
                target.request,
                target.policy,
                declared=target.declared,
                said=said,
                keyed=keyed,
                default=self._settings.revalidate,
                obey=self._settings.cache_control != "ignore",
                full=self._settings.cache_control == "full",
                now=self._now(),
                replaces=replaces,
            )
            if not isinstance(verdict, Learn):
                return verdict, refined(learned, rendering.headers_read)
            # The render saw none of these headers: it is the variant for visitors without them.
            learned = verdict.names
            keyed = keyed | frozenset(learned)
        raise AssertionError("what was learned is in the key")

    def _headers(self, target: Target, response: Response, terms: Terms) -> Headers:
        return kept_headers(
            response, terms, target.policy, target.request, self._settings.downstream,
            self._planner.by_cookie,
        )  # fmt: skip

    def _entry(
        self, target: Target, response: Response, terms: Terms, rendering: Rendering,
        started: float, took: float,
    ) -> Entry:  # fmt: skip
        return Entry(
            key=target.key,
            request=target.request,
            status=response.status,
            headers=response.headers,
            body=response.body,
            rendered_at=started - terms.age,
            render_seconds=round(took, 6),
            revalidate=terms.revalidate,
            expire=terms.expire,
            etag=strong_etag(response.body, response.first("etag")),
            last_modified=response.first("last-modified"),
            tags=tuple(dict.fromkeys((*target.tags, *rendering.tags))),
            fingerprint=target.policy.fingerprint,
            build_id=self._settings.build_id,
            route=target.route,
            vary_cookie=terms.vary_cookie,
            anonymous=terms.anonymous,
            error_quota=terms.error_quota,
            tombstone=terms.tombstone,
        )

    def _accepted(self, target: Target, old: Entry, new: Entry) -> bool:
        accept = target.policy.accept
        if accept is None:
            return True
        try:
            return bool(accept(_view(old), _view(new)))
        except Exception:
            log.exception("accept= of %s raised; the old page stays.", target.route)
            return False

    def _put_up_signpost(self, target: Target, made: Made) -> None:
        known = self._planner.learned_route(target.base)
        learned_route = LearnedRoute(
            tuple(sorted({*known.vary, *made.learned})),
            made.said,
            not made.declared,
            (known.vary_cookie or made.entry.vary_cookie) and made.entry.reads is None,
            known.http,
            known.nominated,
            made.default,
        )
        if made.said:
            self._planner.declarations.met(target.base)
        if learned_route != known or not self._planner.learned_routes.stands(
            target.base, learned_route
        ):
            self._planner.learn(
                target.base, learned_route, announce=learned_route.vary != known.vary
            )

    def proven(self, route: str) -> bool:
        return route in self._proven

    def _failed(
        self,
        target: Target,
        reason: str,
        response: Response | None = None,
        error: BaseException | None = None,
    ) -> Failed:
        proven = self.proven(target.route)
        said = "" if proven else self._notices.second_run(target.route)
        log.warning(
            "%s could not be rendered: %s.%s", target.request.url, reason, said, exc_info=error
        )
        return Failed(reason, response, error, proven)

    def _tell_reads(self, entry: Entry) -> None:
        """Log once for each route what its pages read, and where."""
        for name, where in told(entry.reads) if entry.reads else ():
            if self._notices.first(entry.route, name):
                log.info("%s (%s) reads %s (%s).", entry.route, entry.request.url, name, where)

    def _refused(self, target: Target, refusal: Refusal) -> Refused:
        reason, text = refusal.reason, refusal.text
        if target.declared and self._notices.first(target.route, reason):
            log.warning(
                "%s (%s) is declared but cannot be stored: %s. %s",
                target.route,
                target.request.url,
                f"{reason}: {text}" if text else reason,
                REMEDIES.get(reason, ""),
            )
        return Refused(reason, refusal.withdraws, text)


def _view(entry: Entry) -> PageView:
    return PageView(entry.code, HeaderMap(list(entry.headers)), entry.body)
