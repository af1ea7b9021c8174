"""From an app's whole response to the page that is stored, or to the reason why it is not.

`producer` runs the app and stores the page; `core.storable` has the rules.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import Headers as HeaderMap

from ..adaptive import Adaptive
from ..core.downstream import kept_headers, with_seconds
from ..core.header_reads import header_of, outdated, refined
from ..core.reads import Reads
from ..core.render_log import PastRender, noted
from ..core.storable import (
    KEPT,
    Learn,
    Refusal,
    Response,
    Terms,
    ViewDirectives,
    storable,
    unread,
    varying,
)
from ..core.stored_page import Entry
from ..core.unchanged import renewed, shrunk, unchanged
from ..errors import ConfigurationError
from ..http.conditional import strong_etag
from ..http.fields import Headers
from ..render_context import Rendering
from ..routing.planner import Planner, Target
from ..settings import Settings
from ..storage.process_cache import Memory
from .notices import Notices
from .observed import observed, unfit
from .placeholders import PlaceholderMaker
from .remedies import NOT_RUN
from .result import Made, Refused
from .value_holes import NOT_FOUND, cookies_taken

log: Final = logging.getLogger("isgware")


@dataclass(frozen=True, slots=True, eq=False)
class PageView:
    """A whole page as ``accept`` gets it; the body is not encoded."""

    status: int
    headers: HeaderMap
    body: bytes


class PageMaker:
    """Decides about the responses of one app."""

    def __init__(
        self,
        settings: Settings,
        planner: Planner,
        memory: Memory,
        placeholders: PlaceholderMaker,
        notices: Notices,
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._planner = planner
        self._declarations = planner.declarations
        self._memory = memory
        self._placeholders = placeholders
        self._notices = notices
        self._now = now

    def page(
        self, target: Target, response: Response, rendering: Rendering, replaces: Entry | None,
        times: tuple[float, float],
    ) -> Made | Refused:  # fmt: skip
        """The page of a complete response, or why it is not stored. ``times``: when the render
        began, in seconds since the epoch, and how many seconds it took."""
        started, took = times
        of_view = ViewDirectives(rendering.revalidate, rendering.expire, rendering.refused)
        before = self._before(target, replaces)
        as_run = self._as_run(target, response, rendering, of_view)
        if isinstance(as_run, Refused):
            return as_run
        target, policy = as_run, as_run.policy
        taken = cookies_taken(response, policy.hole_cookies)
        if taken is None:
            return self._notices.refused(target, Refusal(NOT_FOUND))
        response, tokens = taken
        seen = self._observed(target, response, rendering, before, started)
        if isinstance(seen, Refusal):
            return self._notices.refused(target, seen)
        holes = self._placeholders.made(
            target.request, response, rendering, before, started, policy.keyed_cookies
        )
        if isinstance(holes, Refusal):
            return self._notices.refused(target, holes)
        response, reads = seen
        response = varying(response, map(header_of, rendering.headers_read))
        verdict, learned = self._decide(target, response, rendering, of_view, replaces)
        if isinstance(verdict, Refusal):
            return self._notices.refused(target, verdict)
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
            return self._notices.refused(target, entry)
        if replaces is not None and (kept := self._kept(target, replaces, entry)):
            return self._notices.refused(target, kept)
        self._notices.own_invalidations(target, entry, rendering)
        decorator = rendering.policy.fingerprint if rendering.policy is not None else ""
        default = self._declarations.default if verdict.by_default else ""
        made = Made(entry, learned, target.declared, decorator, default)
        if replaces is not None:
            own = not response.all("cache-control")
            made = _fitted(_compared(made, replaces), replaces, verdict.adaptive, started, own)
        return _logged(made, target, started, took)

    def _before(self, target: Target, replaces: Entry | None) -> Entry | None:
        """The page that has told something already: also one that was purged."""
        if replaces is not None:
            return replaces
        known = self._memory.get(target.key)
        return known.entry if known is not None else None

    def _as_run(
        self, target: Target, response: Response, rendering: Rendering, of_view: ViewDirectives
    ) -> Target | Refused:
        """``target`` under the policy of the decorator that ran, if one did."""
        declarations = self._declarations
        if other := declarations.declaration_change(target, response.code, rendering):
            again = Refused(NOT_RUN, other.gone, replan=True)
            return (
                again
                if other.replan
                else self._notices.refused(target, unread(response, of_view, NOT_RUN))
            )
        try:
            target = declarations.as_run(target, rendering)
        except ConfigurationError as error:
            log.error("%s: %s", target.request.url, error)
            return self._notices.refused(target, unread(response, of_view, "odd-tag"))
        if rendering.invalid_tag:
            return self._notices.refused(target, unread(response, of_view, "odd-tag"))
        return target

    def _observed(
        self, target: Target, response: Response, rendering: Rendering, before: Entry | None,
        now: float,
    ) -> tuple[Response, Reads | None] | Refusal:  # fmt: skip
        """What the render read of its visitor, together with the reads of earlier renders of the
        page, including a purged one."""
        recording, policy = rendering.recording, target.policy
        if recording is None or not recording.attached:
            return response, None
        return unfit(recording, response) or observed(
            recording, response, unread=(*policy.keyed_cookies, *policy.hole_cookies),
            keep_vary=policy.keep_vary,
            before=before.reads if before is not None else None, now=now,
        )  # fmt: skip

    def _decide(
        self, target: Target, response: Response, rendering: Rendering, of_view: ViewDirectives,
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
                of_view=of_view,
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
            route=self._planner.names.of_page(target.route, target.request),
            vary_cookie=terms.vary_cookie,
            anonymous=terms.anonymous,
            error_quota=terms.error_quota,
            tombstone=terms.tombstone,
            version=1,
            interval=terms.interval,
        )

    def _kept(self, target: Target, old: Entry, new: Entry) -> Refusal | None:
        """Why the old page is kept, if the policy requires that."""
        limit = None if target.forced else target.policy.shrink_limit
        if limit is not None and shrunk(old, new, limit):
            return self._notices.shrunk(target, old, new, limit)
        return None if self._accepted(target, old, new) else Refusal("not-accepted")

    def _accepted(self, target: Target, old: Entry, new: Entry) -> bool:
        accept = target.policy.accept
        if accept is None:
            return True
        try:
            return bool(accept(_view(old), _view(new)))
        except Exception:
            log.exception("accept= of %s raised; the old page stays.", target.route)
            return False


def _logged(made: Made, target: Target, started: float, took: float) -> Made:
    """The page, with this render as the last of its renders."""
    old = made.replaces
    found = "first" if old is None else "unchanged" if made.unchanged else "changed"
    render = PastRender(started, took, target.by, found)
    renders = noted(old.renders if old is not None else "", render)
    return made._replace(entry=dataclasses.replace(made.entry, renders=renders))


def _compared(made: Made, replaces: Entry) -> Made:
    """The page, compared with the one that it replaces."""
    same = unchanged(replaces, made.entry)
    entry = (
        renewed(replaces, made.entry)
        if same
        else dataclasses.replace(made.entry, version=replaces.version + 1)
    )
    return made._replace(entry=entry, replaces=replaces, unchanged=same)


def _fitted(
    made: Made, replaces: Entry, adaptive: Adaptive | None, started: float, own: bool
) -> Made:
    """With the lifetime that follows from what a render found whose page's time was up. ``own``:
    isgware says for how long caches may keep the page."""
    entry = made.entry
    if adaptive is None or entry.code not in KEPT or not replaces.revalidate_at <= started:
        return made
    interval = adaptive.after(replaces.interval, made.unchanged)
    expire = max(entry.expire, interval)
    headers = with_seconds(entry.headers, interval, expire) if own else entry.headers
    return made._replace(
        entry=dataclasses.replace(
            entry, revalidate=interval, interval=interval, expire=expire, headers=headers
        ),
    )


def _view(entry: Entry) -> PageView:
    return PageView(entry.code, HeaderMap(list(entry.headers)), entry.body)
