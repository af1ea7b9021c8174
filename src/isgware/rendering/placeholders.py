"""Placeholders: what the holes of a page show nobody in particular.

They are rendered when the page is complete, in a clean-room run of their own in which they take the
place of the view. What that asks of its visitor are reads of the holes, not of the page. Then each
marker in the page becomes the place of a hole.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from ..core.cache_key import Request
from ..core.filled_page import without_lifetime
from ..core.hole_places import encoded, filled_in, hole_place, marked
from ..core.places import NONCE, Places, in_body
from ..core.reads import NOTHING_READ, Reads, reads_of, united
from ..core.storable import Refusal, Response
from ..core.stored_page import Entry
from ..core.tokens import Finder, Lines, Token, nonces
from ..holes import HOLES, NESTED, PLAIN, HoleRun, Markers
from ..http.conditional import strong_etag
from ..recording import COOKIES, EVERYTHING, OPENED, SESSION, Recording
from ..render_context import Rendering, current, database
from ..settings import Settings
from .clean_room import Unfit, WSGIApp, environ_for, render
from .observed import unfit
from .value_holes import NOT_FOUND, with_places

log: Final = logging.getLogger("isgware")
#: Why a page is refused one of whose holes cannot be rendered for nobody.
FAILED: Final = "hole-failed"
#: Why a page is refused in which a marker does not stand as it was made.
NO_HOLE: Final = "hole-not-found"
#: Between texts that are searched for tokens together.
_APART: Final = b"\n"


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Those of one page: ``texts`` has one for each of ``markers``. ``tokens`` and ``finders`` are
    of the run that made them, ``reads`` what it asked of its visitor."""

    markers: Markers
    texts: Sequence[bytes] = ()
    reads: Reads = NOTHING_READ
    tokens: Sequence[Token] = ()
    finders: Sequence[Finder] = ()

    def private(self, response: Response) -> Response:
        """The response, without what would have its page kept for who it is filled for."""
        if not self.reads.personal:
            return response
        return replace(response, headers=without_lifetime(response.headers))

    def put_in(
        self, entry: Entry, tokens: Iterable[Token], finders: Iterable[Finder]
    ) -> Entry | Refusal:
        """The page as it is stored: with a placeholder in place of each marker, its tokens and
        nonces taken out. ``tokens`` and ``finders`` are those of the page itself."""
        if not self.markers.uses:
            return with_places(entry, tokens, finders) or Refusal(NOT_FOUND)
        spans = marked(
            entry.body, entry.headers, self.markers.prefix, self.markers.number,
            len(self.markers.uses),
        )  # fmt: skip
        if spans is None:
            return Refusal(NO_HOLE, "a hole of it stands where it cannot be found again")
        given = [n for n, text in enumerate(self.markers.placeholders) if text is not None]
        whole = replace(entry, body=_APART.join([entry.body, *(self.texts[n] for n in given)]))
        page = with_places(whole, tokens, finders)
        own = self._own_places(entry.headers, given)
        if page is None or own is None:
            return Refusal(NOT_FOUND)
        (body, places), *theirs = _cut(
            page.body, page.places, [len(entry.body), *(len(self.texts[n]) for n in given)]
        )
        parts = {**own, **dict(zip(given, theirs, strict=True))}
        body, places, holes = filled_in(
            body, (*(p for p in page.places if p.where >= 0), *places), spans,
            [
                (hole_place(use.name, use.arguments), *parts[n])
                for n, use in enumerate(self.markers.uses)
            ],
        )  # fmt: skip
        return replace(
            page, body=body, places=places, holes=holes, hole_reads=self.reads, last_modified="",
            etag="" if places else strong_etag(body, ""),
        )  # fmt: skip

    def _own_places(
        self, headers: Lines, given: Sequence[int]
    ) -> dict[int, tuple[bytes, Places]] | None:
        """Text and places of each placeholder that was rendered; ``None`` if a token of one is not
        found. Nonces of the run become those of the page, whose headers say them."""
        rendered = [n for n in range(len(self.texts)) if n not in given]
        texts = [self.texts[n] for n in rendered]
        kind = tuple(pair for pair in headers if pair[0].lower() == "content-type")
        whole = _entry(kind, _APART.join(texts))
        page = with_places(whole, self.tokens, self.finders)
        if page is None:
            return None
        said = {token.arguments for token in nonces(headers, b"")}
        if any(place.kind == NONCE and place.arguments not in said for place in page.places):
            return None
        return dict(zip(rendered, _cut(page.body, page.places, list(map(len, texts))), strict=True))


def _entry(headers: Lines, body: bytes) -> Entry:
    request = Request("http", "", "", "/")
    return Entry("", request, "200 OK", tuple(headers), body, 0.0, None, 0.0)


def _cut(body: bytes, places: Places, lengths: Sequence[int]) -> list[tuple[bytes, Places]]:
    """Texts that were searched together, each with its places."""
    parts, start = [], 0
    for length in lengths:
        end = start + length
        inside = tuple(
            replace(place, offset=place.offset - start)
            for place in in_body(places)
            if start <= place.offset and place.end <= end
        )
        parts.append((body[start:end], inside))
        start = end + len(_APART)
    return parts


@dataclass(frozen=True, slots=True)
class PlaceholderMaker:
    """``in_a_run``: the framework is known, so that holes can be made in place of a view and what
    they read is recorded; else functions are called by themselves."""

    application: WSGIApp
    settings: Settings
    in_a_run: bool
    secret: Callable[[], str]

    def markers(self) -> Markers:
        """For a render that begins."""
        secret = f"{self.settings.secret or ''}\n{self.secret()}"
        digest = blake2b(b"isgware hole markers", key=blake2b(secret.encode()).digest())
        return Markers("isgh" + digest.hexdigest()[:24])

    def made(
        self, request: Request, response: Response, rendering: Rendering,
        before: Entry | None, now: float, keyed: Iterable[str],
    ) -> Placeholders | Refusal:  # fmt: skip
        """The placeholders of the holes in a page that has just been rendered. ``before`` is the
        page that it replaces, ``keyed`` are cookies that are in its key."""
        markers: Markers = rendering.holes
        if rendering.nested_hole:
            return Refusal(NESTED, rendering.nested_hole)
        if not markers.uses:
            return Placeholders(markers)
        noted = dict(_asked_by_own(markers, rendering.recording))
        uses = [
            use
            for use, given in zip(markers.uses, markers.placeholders, strict=True)
            if given is None
        ]
        run, tokens, theirs = HoleRun(uses), list[Token](), Rendering(False)
        if uses:
            ran = self._run(request, run, rendering.database)
            if isinstance(ran, Refusal):
                return ran
            theirs, tokens = ran
            rendering.tags += theirs.tags
            for header in theirs.headers_read:
                rendering.note_read(header)
            noted.update(_asked(theirs.recording))
        for name in keyed:
            noted.pop((COOKIES, name), None)
        texts = [
            run.outputs[use] if given is None else given
            for use, given in zip(markers.uses, markers.placeholders, strict=True)
        ]
        bodies = [encoded(text, response.headers) for text in texts]
        if theirs.recording is not None:
            made = Response("200 OK", (), _APART.join(bodies))
            if refusal := unfit(theirs.recording, made):
                return refusal
        known = before.hole_reads if before is not None else None
        return Placeholders(
            markers, bodies, united(reads_of(noted, now), known, now), tokens, theirs.finders
        )

    def _run(
        self, request: Request, run: HoleRun, reads: Any
    ) -> tuple[Rendering, list[Token]] | Refusal:
        rendering = Rendering(
            True, request.scheme, request.host, request.script_name,
            recording=Recording() if self.in_a_run else None, database=reads,
        )  # fmt: skip
        headers: Lines = ()
        try:
            if self.in_a_run:
                response = render(
                    self.application, request, rendering, self.settings.max_page, {HOLES: run},
                    seconds=self.settings.render_timeout,
                )  # fmt: skip
                if not isinstance(response, Unfit):
                    headers = response.headers
            else:
                contextvars.Context().run(_directly, request, rendering, run)
        except Exception as error:
            log.exception("The placeholders of %s could not be rendered.", request.url)
            return Refusal(FAILED, f"{type(error).__name__}: {error}")
        if rendering.nested_hole:
            return Refusal(NESTED, rendering.nested_hole)
        for use, raised in run.errors.items():
            log.error("The hole %r of %s raised.", use.name, request.url, exc_info=raised)
            return Refusal(
                FAILED, f"the hole {use.name!r} raised {type(raised).__name__}: {raised}"
            )
        if not run.reached:
            said = f": {rendering.error!r}" if rendering.error is not None else ""
            return Refusal(FAILED, f"the app answered before its holes were reached{said}")
        return rendering, nonces(headers, b"")


def _directly(request: Request, rendering: Rendering, run: HoleRun) -> None:
    current.set(rendering)
    database.set(rendering.database)
    run.make(PLAIN, environ_for(request, rendering))


def _asked(recording: Recording | None) -> dict[tuple[str, str], str]:
    if recording is None or not recording.attached:
        return {(COOKIES, EVERYTHING): ""}
    return dict(recording.reads)


def _asked_by_own(
    markers: Markers, recording: Recording | None
) -> Iterable[tuple[tuple[str, str], str]]:  # fmt: skip
    """What holes ask of a visitor whose placeholder the page gives: nobody has run them."""
    for use, given in zip(markers.uses, markers.placeholders, strict=True):
        if given is None:
            continue
        opened = [name for kind, name in (recording.reads if recording else ()) if kind == OPENED]
        if (use.cookies is None and use.session is None) or (use.session and not opened):
            yield (COOKIES, EVERYTHING), use.name
        for name in use.cookies or ():
            yield (COOKIES, name), use.name
        for name in use.session or ():
            yield (SESSION, name), use.name
        for name in opened:
            yield (OPENED, name), use.name
