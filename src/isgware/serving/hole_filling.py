"""Fills the holes of a stored page for a visitor who has something of their own in them.

One run of the app, with the visitor's own request and everything around the view, makes all holes
and tokens of the page; the view is not called. Who is answered before the holes are reached, by a
redirect to a login say, gets that answer.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.cache_key import Request, Visitor
from ..core.preconditions import without_body
from ..core.redirects import redirected
from ..core.storable import Response
from ..core.tokens import nonces
from ..holes import HOLES, PLAIN, HoleRun
from ..render_context import Rendering
from ..rendering.clean_room import StartResponse, Unfit, WSGIApp, capture
from ..routing.framework import Site
from ..storage.process_cache import Page
from .answer import Answer
from .filling import lacks_token, values_of
from .hole_plan import hole_plan
from .passthrough import Environ, bypassed, call, passed_by, within
from .stored_answer import said_of

log: Final = logging.getLogger("isgware")
FILLED: Final = "filled"
FAILED: Final = "hole-failed"
#: What the app answered before its holes were reached.
EARLY: Final = "before-holes"
#: What a visitor's request says about the answer as a whole, or about a body of its own.
_OF_THE_ANSWER: Final = frozenset({
    "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_ACCEPT_ENCODING", "HTTP_CONTENT_ENCODING",
    "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_EXPECT", "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE", "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_RANGE", "HTTP_TRANSFER_ENCODING",
})  # fmt: skip
_WERKZEUGS: Final = "werkzeug."
#: An answer that comes before the holes and is larger is asked for once more, and not collected.
_MAX_EARLY: Final = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """What came of a run. ``response`` is ``None`` if it raised."""

    run: HoleRun
    response: Response | None

    @property
    def failed(self) -> bool:
        return self.response is None or self.response.code == 500

    @property
    def cookies(self) -> list[tuple[str, str]]:
        said = self.response.all("set-cookie") if self.response is not None else ()
        return [("Set-Cookie", line) for line in said]


def fill_holes(
    visitor: Visitor, answer: Answer, page: Page, now: float, site: Site, application: WSGIApp,
    environ: Environ, start_response: StartResponse, rendering: Rendering,
) -> Iterable[bytes]:  # fmt: skip
    """``page`` as ``answer`` says, with the holes of this visitor; or the app's own answer."""

    def own(detail: str) -> Iterable[bytes]:
        passed = Answer("BYPASS", detail)
        return passed_by(visitor, passed, application, environ, start_response, rendering)

    if lacks_token(page, visitor):
        return own("no-token")
    if visitor.method == "HEAD":
        return _head(visitor, answer, page, now, start_response)
    plan = hole_plan(page)
    run = HoleRun(plan.uses, plan.tokens if site.records else {})
    ran = run_holes(run, page.entry.request, site, application, environ, rendering)
    if ran is None:
        return own(EARLY)
    early = ran.response
    if early is not None and not ran.run.reached and not ran.failed:
        start_response(early.status, bypassed(list(early.headers), EARLY))
        return [early.body]
    try:
        values, headers = _values(page, visitor, site, ran)
        detail = FAILED if ran.failed else FILLED
        whole = page.for_holes()
        status_line, lines, body = whole.filled(
            values, visitor.header("Accept-Encoding"), answer.label,
            said_of(answer, page, now, detail),
        )  # fmt: skip
    except Exception:
        log.exception("The holes of a page could not be put in; the app answers for itself.")
        return own("isgware-failed")
    if answer.label != "MISS":
        page.used = page.visited = True
    lines = redirected(lines, page.entry, visitor.query)
    start_response(status_line, lines + headers)
    return [*body]


def _head(
    visitor: Visitor, answer: Answer, page: Page, now: float, start_response: StartResponse
) -> Iterable[bytes]:
    """The headers of a filled page, without running holes; nobody knows its length."""
    whole = page.for_holes()
    said = said_of(answer, page, now, FILLED)
    values = [b""] * len(whole.entry.places)
    sent = whole.filled(values, visitor.header("Accept-Encoding"), answer.label, said)
    line, lines, _ = without_body(sent)
    policies = ("content-length", "content-security-policy", "content-security-policy-report-only")
    lines = [pair for pair in lines if pair[0].lower() not in policies]
    start_response(line, redirected(lines, page.entry, visitor.query))
    return []


def run_holes(
    run: HoleRun, request: Request, site: Site, application: WSGIApp, environ: Mapping[str, Any],
    rendering: Rendering,
) -> Ran | None:  # fmt: skip
    """Have the app make ``run`` for whoever sends ``environ``; the page is that of ``request``.
    ``None``: the app answers before the holes, with what is too long to be collected here."""
    inner = _of_the_visitor(environ)
    inner["REQUEST_METHOD"] = "GET"
    inner["CONTENT_LENGTH"] = "0"
    inner["wsgi.input"] = io.BytesIO()
    inner[HOLES] = run
    response: Response | Unfit | None
    try:
        if site.records:
            response = capture(
                lambda environ, told: call(application, environ, told, rendering), inner, _MAX_EARLY
            )
        else:
            with within(rendering):
                run.make(PLAIN, inner)
            response = Response("200 OK", (), b"")
    except Exception:
        log.exception("The holes of %s could not be run.", request.url)
        response = None
    for use, error in run.errors.items():
        log.error("The hole %r of %s raised.", use.name, request.url, exc_info=error)
    if isinstance(response, Unfit):
        return Ran(run, response.head) if run.reached else None
    return Ran(run, response)


def _of_the_visitor(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a server or a framework keeps of the request itself."""
    kept = dict(environ)
    for name in environ.keys() & _OF_THE_ANSWER:
        del kept[name]
    if _WERKZEUGS in " ".join(environ):  # a loop takes longer than all else here
        for name in environ:
            if name.startswith(_WERKZEUGS):
                del kept[name]
    return kept


def _told(ran: Ran) -> dict[object, bytes]:
    """The nonces of the run, which its holes have used, by their number."""
    if ran.response is None:
        return {}
    said = nonces(ran.response.headers, b"")
    return {token.arguments[0]: token.text.encode() for token in said}


def _values(
    page: Page, visitor: Visitor, site: Site, ran: Ran
) -> tuple[list[bytes], list[tuple[str, str]]]:
    """What stands in each place of the page with places for its holes, and headers beside it."""
    plan, run, failed = hole_plan(page), ran.run, ran.failed
    tokens: list[bytes] = []
    headers: list[tuple[str, str]] = []
    if plan.groups.count:
        known = {} if failed or not plan.groups.nonces else _told(ran)
        found = values_of(plan.groups, visitor, site, {} if failed else run.values, known)
        if found is None:
            raise LookupError("the visitor has no token of their own")
        tokens, headers = found
    outputs = [None] * len(plan.uses) if failed else run.outputs
    return plan.values(outputs, tokens), [*headers, *ran.cookies]
