"""Sends a stored page to its visitor, and prepares the next plain hit of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.cache_key import Visitor
from ..core.reads import joined_reads, shape_of
from ..core.redirects import location_for
from ..rendering.clean_room import StartResponse
from ..settings import Settings
from ..storage.page_store import PageStore
from ..storage.process_cache import Memory, Page
from .answer import Answer
from .counted_answers import CountedAnswers
from .passthrough import Environ
from .prepared_hits import PreparedFill, PreparedHit, PreparedStale, credentials_unlisted, target_of
from .request_line import RequestLine
from .stored_answer import stored_answer


class Delivery:
    """``unlisted_credentials``: the server passes users under names that a hit does not check, so
    no more hits are prepared."""

    def __init__(
        self, settings: Settings, page_store: PageStore, memory: Memory, line: RequestLine,
        now: Callable[[], float], answers: CountedAnswers,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._page_store = page_store
        self._memory = memory
        self._line = line
        self._now = now
        self._answers = answers
        self.unlisted_credentials = False

    def send(
        self, visitor: Visitor, answer: Answer, page: Page, environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:  # fmt: skip
        """Send a stored page: a hit, a stale page, or one that was just rendered."""
        now = self._now()
        if answer.label != "MISS":  # the first visit stores a page, later ones count
            page.used = page.visited = True
        if answer.label == "HIT":
            self.prepare(PreparedHit, answer, page, visitor, environ, now)
        elif answer.label == "STALE" and not answer.detail:
            self.prepare(PreparedStale, answer, page, visitor, environ, now)
        made = stored_answer(page, answer, visitor, environ, now)
        start_response(made[0], made[1].copy())
        return [*made[2]]

    def prepare(
        self, kind: type[PreparedHit], answer: Answer, page: Page, visitor: Visitor,
        environ: Environ, now: float,
    ) -> None:  # fmt: skip
        """Prepare the next plain hit of this page."""
        version = answer.version
        if (
            not answer.cacheable_by_request_line
            or version < 0
            or self._settings.debug
            or self._settings.memory == 0
        ):
            return
        self.check_credentials(visitor)
        if self.unlisted_credentials:
            return
        entry = page.entry
        if location_for(entry, visitor.query) is not None:
            return
        cookies = answer.cookies or entry.vary_cookie or entry.anonymous or bool(entry.holes)
        accepted, target = visitor.header("Accept-Encoding"), target_of(environ)
        ready = kind(page, visitor.method, accepted, version, cookies, now, target)
        if cookies and entry.reads and answer.judged and not (answer.cookies or entry.anonymous):
            ready.shape = shape_of(joined_reads(entry.reads, entry.hole_reads))
        result = "filled" if kind is PreparedFill else answer.label.lower()
        ready.cell = self._answers.page(visitor, entry, result)
        self._memory.remember(self._line.of(visitor, environ), ready)
        if self.unlisted_credentials or self._page_store.settled != version:
            # Invalidated meanwhile; or undecided, since the store has not accepted a purge yet.
            ready.version = -1

    def check_credentials(self, visitor: Visitor) -> None:
        """Note that the server passes users under names that a hit does not check: from now on no
        visitor gets a prepared hit."""
        if not self.unlisted_credentials and credentials_unlisted(visitor.headers):
            self.unlisted_credentials = True
            self._memory.unready()
