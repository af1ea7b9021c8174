"""One GET or HEAD of an undeclared URL under ``cache_control="full"``, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ..core.cache_key import Visitor
from ..core.freshness import State
from ..http.cache_control import Directives, effective
from ..rendering.clean_room import StartResponse
from ..serving.answer import Answer
from ..serving.passthrough import Environ, HeaderList
from ..storage.process_cache import Page
from .locations import Exchange, Place
from .rules import Wishes

#: Conditions that the app has to judge (RFC 9111, section 4.3.2).
NOT_OURS: Final = ("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
#: Serves a stored page: (visitor, answer, page, environ, start_response) to body.
Serve = Callable[[Visitor, Answer, Page, Environ, StartResponse], Iterable[bytes]]


@dataclass(slots=True)
class Visit:
    """``asked``: the directives of the request. ``page`` and ``state``: what is stored for it.
    ``version``: the store's version from before that was judged. ``said_nothing``: the app's
    response has no rules for its storage."""

    visitor: Visitor
    place: Place
    environ: Environ
    start_response: StartResponse
    exchange: Exchange
    asked: Wishes
    credentials: bool
    page: Page | None
    state: State | None
    version: int
    serve: Serve
    now: Callable[[], float]
    said_nothing: bool = False

    def terms(self, page: Page | None) -> tuple[Directives, float, float]:
        """Directives, age and lifetime of a stored page."""
        if page is None:
            return {}, 0.0, 0.0
        directives, _ = effective(page.entry.headers)
        return directives, self.now() - page.entry.rendered_at, page.entry.revalidate or 0.0

    @property
    def forwarded(self) -> str:
        """Why the app is asked, if it is (RFC 9211, section 2.2)."""
        if self.page is None:
            return "miss" if self.place.nominated else "uri-miss"
        return "request" if self.state is State.FRESH else "stale"

    def send(
        self, page: Page, label: str, detail: str = "", cookies: HeaderList | None = None,
        collapsed: bool = False,
    ) -> Iterable[bytes]:  # fmt: skip
        """Send a stored page. ``cookies``: those that a 304 has just set for this visitor."""
        place, start_response = self.place, self.start_response
        by_line = label == "HIT" and place.plain
        answer = Answer(
            label, detail, page, forward=self.forwarded, cacheable_by_request_line=by_line,
            cookies=place.cookies, version=self.version, stored=label in ("MISS", "REVALIDATED"),
            collapsed=collapsed,
        )  # fmt: skip
        if cookies:
            given = start_response

            def start_response(
                line: str, headers: HeaderList, exc_info: object = None
            ) -> Callable[[bytes], object]:
                return given(line, [*headers, *cookies])

        return self.serve(self.visitor, answer, page, self.environ, start_response)
