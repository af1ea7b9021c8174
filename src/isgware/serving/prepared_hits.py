"""Prepared hits: answers that are ready to be sent.

One `PreparedHit` belongs to one request line and Accept-Encoding. It holds status line, headers and
body, and renews them at most once per second of the page's age, so that a hit is a look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..core.preconditions import Answer, fitted, unchanged
from ..core.reads import Shape
from ..http import cache_status as status
from ..storage.counting import Cell
from ..storage.process_cache import Page
from .request_line import opens_websocket

#: With one of these in the environ, even an empty one, the request is not a plain hit.
CREDENTIALS: Final = (
    "HTTP_AUTHORIZATION", "REMOTE_USER", "AUTH_TYPE", "SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN",
    "SSL_CLIENT_CERT",
)  # fmt: skip
#: For responses to visitors' own requests the app judges some conditions (RFC 9111, section 4.3.2).
_JUDGED_OWN: Final = (*CREDENTIALS, "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
#: Counts hits that need no count.
_UNCOUNTED: Final = Cell()
#: Values of CONTENT_LENGTH without a body.
_NOTHING: Final = ("", "0", None)


def credentials_unlisted(environ: Mapping[str, Any]) -> bool:
    """Whether this environ may have a client certificate under a name that is not listed."""
    if "SSL_CLIENT_" not in " ".join(environ):  # a tenth of the cost
        return False
    return environ.keys().isdisjoint(CREDENTIALS) and any(
        name.startswith("SSL_CLIENT_") for name in environ
    )


def target_of(environ: Mapping[str, Any]) -> tuple[Any, Any]:
    """The target of a request as received, under the names that servers use for it."""
    return environ.get("RAW_URI"), environ.get("REQUEST_URI")


class PreparedHit:
    """While the store's version equals ``version`` and the clock is between ``since`` and
    ``until``, it answers a plain visit: one without credentials, and without a condition except an
    If-None-Match of ``etag``, which is answered 304 with the headers ``unchanged``. ``dated`` and
    ``own`` say which conditions apply to this page (``own`` implies ``dated``). ``shape`` are the
    names that it reads, if they alone decide who may have it. ``target`` is the spelling of the
    target for which it was made. ``cell`` counts its hits."""

    __slots__ = (
        "_accepted", "_bodiless", "body", "cell", "cookies_matter", "dated", "etag", "headers",
        "line", "own", "page", "shape", "since", "target", "unchanged", "until", "version",
    )  # fmt: skip

    def __init__(
        self, page: Page, method: str, accepted: str | None, version: int, cookies_matter: bool,
        now: float, target: tuple[Any, Any] = (None, None),
    ) -> None:  # fmt: skip
        self.page = page
        self.cell: Cell = _UNCOUNTED
        self.version = version
        self.target = target
        self.cookies_matter = cookies_matter
        self.shape: Shape | None = None
        self.own = page.entry.own
        self.dated = self.own or bool(page.entry.last_modified)
        self._accepted = accepted
        self._bodiless = method == "HEAD"
        self._make(now)

    def end(self) -> None:
        """Stop being sent, also by threads that still hold it."""
        self.until = 0.0

    def renew(self, now: float) -> bool:
        """Renew the headers for another second, if nothing but time has passed."""
        entry = self.page.entry
        if not self.until or not entry.rendered_at <= now < entry.fresh_until:
            return False
        self._make(now)
        return True

    def stands(self, version: int, now: float) -> bool:
        """Whether its page is fresh, and nothing was invalidated since; its second may be over."""
        entry = self.page.entry
        fresh = entry.rendered_at <= now < entry.fresh_until
        return self.version == version and fresh and self.until > 0.0

    def _make(self, now: float) -> None:
        page = self.page
        self.until = 0.0  # no thread may combine the old second with the new headers
        self.line, self.headers, body = self._answer(now)
        self.body = b"" if self._bodiless or not body else body[0]
        tags = [value for name, value in self.headers if name == "ETag"]
        self.etag = tags[0] if tags and self.line[:3] == "200" else None
        self.unchanged = unchanged(self.headers)
        self.since = page.entry.rendered_at + page.age(now)
        self.until = min(self.since + 1.0, page.entry.fresh_until)
        page.used = page.visited = True

    def _answer(self, now: float) -> Answer:
        return self.page.answer(self._accepted, now, "HIT", status.hit(self.page.ttl(now)))

    def unlike(self, environ: dict[str, Any]) -> bool:
        """Whether a request for a response to visitors' own requests may differ from its key: it
        has directives (RFC 9111, section 5.2.1), a body, or another spelling of the target."""
        return (
            "HTTP_CACHE_CONTROL" in environ
            or "HTTP_PRAGMA" in environ
            or environ.get("CONTENT_LENGTH") not in _NOTHING
            or "HTTP_TRANSFER_ENCODING" in environ
            or target_of(environ) != self.target
        )

    def conditional(self, environ: dict[str, Any]) -> Answer | None:
        """The answer to a request that is not plain; ``None`` if it cannot be decided here."""
        entry = self.page.entry
        if not environ.keys().isdisjoint(_JUDGED_OWN if entry.own else CREDENTIALS):
            return None
        if opens_websocket(environ):
            return None
        if entry.own and self.unlike(environ):
            return None
        return fitted((self.line, self.headers, (self.body,)), entry, environ)


class PreparedStale(PreparedHit):
    """The answer with a stale page, for the rest of the second in which its regeneration is queued
    or running. It ends when the store is to be asked again.

    For the hit path it is always expired: the caller asks `Engine.awaited` before it is sent.
    """

    __slots__ = ("_ends",)

    def _make(self, now: float) -> None:
        super()._make(now)
        page = self.page
        self._ends = min(self.since + 1.0, page.looked_up + 1.0, page.entry.expires_at)
        self.since, self.until = now, 0.0

    def _answer(self, now: float) -> Answer:
        return self.page.stale_answer(self._accepted, now)

    def lasts(self, version: int, now: float) -> bool:
        """Whether nothing was invalidated since, and its second is not over."""
        return self.version == version and self.since <= now < self._ends

    def stands(self, version: int, now: float) -> bool:
        return False  # who gets a stale page has it renewed

    def end(self) -> None:
        self._ends = 0.0

    def renew(self, now: float) -> bool:
        return False


class PreparedFill(PreparedStale):
    """A page with places, to be filled for each request with this request line while it is fresh.
    It has no answer yet, so for the hit path it is always expired, too."""

    __slots__ = ()

    def stands(self, version: int, now: float) -> bool:
        return self.lasts(version, now)

    def _make(self, now: float) -> None:
        entry = self.page.entry
        self.line, self.headers, self.body = entry.status, [], b""
        self.etag, self.unchanged = None, []
        self._ends = entry.fresh_until
        self.since, self.until = entry.rendered_at, 0.0
