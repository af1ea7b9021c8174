"""Answers the script of `core.client_script`: its own text, and the holes of a stored page as they
are for whoever asks.

The holes are made as those that the server fills: in one run of the app, with the visitor's own
request at the page's own URL. What is answered is theirs alone, and no other site can read it: it
has no CORS headers, whatever the app says elsewhere. Imported when it is first asked for.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from ..core.cache_key import Visitor
from ..core.client_holes import ASK_PATH, Asked, answered, asked, digest
from ..core.client_script import SCRIPT, SCRIPT_PATH
from ..core.hole_places import used_in
from ..core.places import Place
from ..core.stored_page import Entry
from ..holes import HoleRun, Use
from ..http import cache_status as status
from ..rendering.clean_room import StartResponse, WSGIApp
from ..routing.framework import Site
from .counted_answers import CountedAnswers
from .engine import Engine
from .hole_filling import EARLY, FAILED, FILLED, Ran, run_holes
from .passthrough import HTML, Environ, HeaderList, rendering_of

log: Final = logging.getLogger("isgware")
#: Why nothing is answered: the page, or these holes of it, is not what is stored.
UNKNOWN: Final = "no-such-holes"
#: Nobody who asks has anything of their own in these holes.
NOTHING: Final = "nothing-personal"
_SCRIPT_HEADERS: Final = (
    ("Content-Type", "text/javascript; charset=utf-8"),
    ("Cache-Control", "public, max-age=31536000, immutable"),
    ("X-Content-Type-Options", "nosniff"),
)
#: The answer is for a script of the same site, and nothing to be shown by itself.
_ANSWER_HEADERS: Final = (
    ("Cache-Control", "private, no-store"),
    ("Vary", "Cookie"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "noindex"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
)


#: Status line, reason, cookies of the run, and body.
Told = tuple[str, str, HeaderList, bytes]


class ClientHoles:
    """What lies at the URLs of client holes, below the control endpoint's mount."""

    def __init__(
        self, mount: str, engine: Engine, site: Site, application: WSGIApp,
        answers: CountedAnswers,
    ) -> None:  # fmt: skip
        self._mount = mount
        self._engine = engine
        self._site = site
        self._application = application
        self._answers = answers

    def __call__(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        if visitor.method not in ("GET", "HEAD"):
            start_response(
                "405 METHOD NOT ALLOWED", [("Allow", "GET, HEAD"), *_answer_headers("", b"")]
            )
            return []
        if visitor.path == self._mount + SCRIPT_PATH:
            body = SCRIPT.encode()
            start_response("200 OK", [*_SCRIPT_HEADERS, ("Content-Length", str(len(body)))])
        else:
            what = asked(visitor.query) if visitor.path == self._mount + ASK_PATH else None
            there = visitor if what is None else page_visit(what, visitor, environ)
            line, detail, more, body = self._answer(what, there, visitor.method)
            self._answers.holes(there, detail).value += 1
            start_response(line, [*_answer_headers(detail, body), *more])
        return [] if visitor.method == "HEAD" else [body]

    def _answer(self, what: Asked | None, there: Visitor, method: str) -> Told:
        entry = self._entry(there) if what is not None else None
        holes = holes_asked(entry, what) if entry is not None and what is not None else None
        if entry is None or holes is None:
            return "404 NOT FOUND", UNKNOWN, [], b""
        if method == "HEAD" or not self._concerns(there, entry):
            return "204 NO CONTENT", NOTHING, [], b""
        run = HoleRun(list(dict.fromkeys(Use(*used_in(place)) for place in holes.values())))
        rendering = rendering_of(there, self._site)
        ran = run_holes(run, entry.request, self._site, self._application, there.headers, rendering)
        return _reply(ran, holes)

    def _concerns(self, there: Visitor, entry: Entry) -> bool:
        plan = self._engine.planner.plan(there, serving=True)
        target = plan.target if plan is not None else None
        return target is None or self._engine.visitors.asks_for(there, target.policy, entry)

    def _entry(self, there: Visitor) -> Entry | None:
        """The page as this visitor would get it. It is rendered if it is not stored any more. A
        browser has it already, so it is looked up, though this process may have seen no page of
        its route."""
        try:
            answer = self._engine.looked_up(there, again=True)
        except Exception:
            log.exception("isgware failed; the holes of %s stay as they are.", there.path)
            return None
        return answer.page.entry if answer is not None and answer.page is not None else None


def page_visit(what: Asked, visitor: Visitor, environ: Mapping[str, Any]) -> Visitor:
    """The visitor's own request, at the URL of the page."""
    raw = quote((visitor.script_name + what.path).encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    raw += f"?{what.query}" if what.query else ""
    headers = {**environ, "PATH_INFO": what.path, "QUERY_STRING": what.query}
    headers["REQUEST_METHOD"] = "GET"
    for name in ("RAW_URI", "REQUEST_URI"):
        if name in headers:
            headers[name] = raw
    return dataclasses.replace(
        visitor, method="GET", path=what.path, query=what.query, headers=headers, memo={}
    )


def holes_asked(entry: Entry, what: Asked) -> dict[int, Place] | None:
    """Holes of the page by their numbers; ``None`` if these are not the ones that are meant."""
    holes = entry.client_holes
    if not holes or what.of != digest(holes) or max(what.numbers) >= len(holes):
        return None
    return {number: holes[number] for number in what.numbers}


def _reply(ran: Ran | None, holes: dict[int, Place]) -> Told:
    """What a run has come to. One that did not reach the holes leaves placeholders, as one that
    failed does; its cookies are passed on."""
    if ran is None:
        return "204 NO CONTENT", EARLY, [], b""
    if ran.failed:
        return "500 INTERNAL SERVER ERROR", FAILED, ran.cookies, b""
    if not ran.run.reached:
        early = ran.response
        told = early is not None and early.code >= 400
        line = early.status if told and early is not None else "204 NO CONTENT"
        return line, EARLY, ran.cookies, b""
    outputs = ran.run.made()
    made = [
        (number, outputs[use])
        for number, use in ((n, Use(*used_in(place))) for n, place in holes.items())
        if use in outputs
    ]
    return "200 OK", FILLED, ran.cookies, answered(made)


def _answer_headers(detail: str, body: bytes) -> HeaderList:
    headers = [*_ANSWER_HEADERS]
    if body:
        headers += [("Content-Type", HTML), ("Content-Length", str(len(body)))]
    if detail:
        headers.append(("Cache-Status", status.forwarded("bypass", detail=detail)))
    return headers
