"""Placeholders: what the holes of a page show nobody in particular.

They are rendered when the page is complete, in a clean-room run of their own in which they take the
place of the view. What that asks of its visitor are reads of the holes, not of the page. Then each
marker in the page becomes the place of a hole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import compress
from typing import Any, Final
from urllib.parse import quote

from ..core.cache_key import Request
from ..core.client_holes import with_elements
from ..core.filled_page import without_lifetime
from ..core.hole_places import charset_of, encoded, filled_in, hole_place, marked
from ..core.places import NONCE, Places, in_body
from ..core.reads import NOTHING_READ, Reads, reads_of, united
from ..core.storable import Refusal, Response
from ..core.stored_page import Entry
from ..core.tokens import Finder, Lines, Token, nonces
from ..holes import HOLES, NESTED, PLAIN, HoleRun, Markers
from ..http.conditional import strong_etag
from ..recording import COOKIES, Recording
from ..render_context import Rendering, current, database
from ..settings import Settings
from .clean_room import Unfit, WSGIApp, environ_for, fresh_context, render
from .hole_reads import asked, asked_by_given, reads_of_client
from .observed import unfit
from .value_holes import NOT_FOUND, with_places

log: Final = logging.getLogger("isgware")
#: Why a page is refused one of whose holes cannot be rendered for nobody.
FAILED: Final = "hole-failed"
#: Why a page is refused in which a marker does not stand as it was made.
NO_HOLE: Final = "hole-not-found"
#: Why a page is refused in which a hole stands where the browser cannot fill it.
MISPLACED: Final = "client-hole-misplaced"
#: Between texts that are searched for tokens together.
_APART: Final = b"\n"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What came of one run for placeholders: those of the holes ``numbers``. ``noted`` is
    what it was seen to ask of its visitor."""

    numbers: Sequence[int]
    tokens: Sequence[Token] = ()
    finders: Sequence[Finder] = ()
    noted: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Placeholders:
    """Those of one page: ``texts`` has one for each of ``markers``, most of them made in ``runs``.
    ``reads`` is what holes ask of a visitor, ``client_reads`` the same of those that the browser
    fills; ``None`` if these are made for everybody."""

    markers: Markers
    root: str = ""
    texts: Sequence[bytes] = ()
    runs: Sequence[Run] = ()
    reads: Reads = NOTHING_READ
    client_reads: Reads | None = None

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
        markers = self.markers
        if not markers.uses:
            return with_places(entry, tokens, finders) or Refusal(NOT_FOUND)
        spans = marked(
            entry.body, entry.headers, markers.prefix, markers.number, len(markers.uses)
        )  # fmt: skip
        if spans is None:
            return Refusal(NO_HOLE, markers.told_of_lost(entry.body))
        given = [n for n, text in enumerate(markers.placeholders) if text is not None]
        whole = replace(entry, body=_APART.join([entry.body, *(self.texts[n] for n in given)]))
        page = with_places(whole, tokens, finders)
        parts = self._own_places(entry.headers)
        if page is None or parts is None:
            return Refusal(NOT_FOUND)
        (body, places), *theirs = _cut(
            page.body, page.places, [len(entry.body), *(len(self.texts[n]) for n in given)]
        )
        parts.update(zip(given, theirs, strict=True))
        uses = [markers.uses[index] for _, _, index in spans]
        client = [use.client for use in uses]
        placed = with_elements(
            [
                (hole_place(use.name, use.arguments), *parts[index])
                for use, (_, _, index) in zip(uses, spans, strict=True)
            ],
            client, entry.request, self.root, page.places,
        )  # fmt: skip
        body, places, holes = filled_in(
            body, (*(p for p in page.places if p.where >= 0), *places), spans, placed
        )
        return replace(
            page, body=body, places=places, hole_reads=self.reads, client_reads=self.client_reads,
            holes=tuple(place for place, by in zip(holes, client, strict=True) if not by),
            client_holes=tuple(compress(holes, client)), last_modified="",
            etag="" if places else strong_etag(body, ""),
        )  # fmt: skip

    def _own_places(self, headers: Lines) -> dict[int, tuple[bytes, Places]] | None:
        """Text and places of each placeholder that was rendered; ``None`` if a token of one is not
        found. Nonces of the run become those of the page, whose headers say them."""
        parts: dict[int, tuple[bytes, Places]] = {}
        kind = tuple(pair for pair in headers if pair[0].lower() == "content-type")
        said = {token.arguments for token in nonces(headers, b"")}
        for run in self.runs:
            texts = [self.texts[n] for n in run.numbers]
            whole = _entry(kind, _APART.join(texts))
            page = with_places(whole, run.tokens, run.finders)
            if page is None:
                return None
            if any(place.kind == NONCE and place.arguments not in said for place in page.places):
                return None
            cut = _cut(page.body, page.places, list(map(len, texts)))
            parts.update(zip(run.numbers, cut, strict=True))
        return parts


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


@dataclass(frozen=True, slots=True, eq=False)
class PlaceholderMaker:
    """``in_a_run``: the framework is known, so that holes can be made in place of a view and what
    they read is recorded; else functions are called by themselves."""

    application: WSGIApp
    settings: Settings
    in_a_run: bool
    secret: Callable[[], str]
    linked_mount: Callable[[str], str]

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
        own = rendering.recording
        if refusal := self._misplaced(markers, response) or _shows_bait(own, markers.placeholders):
            return refusal
        texts, runs, noted = list(markers.placeholders), [], {}
        for client in (False, True):
            noted[client] = asked_by_given(markers, own, client)
            numbers = [
                n for n, use in enumerate(markers.uses)
                if markers.placeholders[n] is None and use.client is client
            ]  # fmt: skip
            run = self._rendered(request, rendering, numbers, texts) if numbers else None
            if isinstance(run, Refusal):
                return run
            if run is not None:
                runs.append(run)
                noted[client].update(run.noted)
        for name in keyed:
            for each in noted.values():
                each.pop((COOKIES, name), None)
        known = before.hole_reads if before is not None else None
        return Placeholders(
            markers, self._root(request),
            [encoded(text or "", charset_of(response.headers)) for text in texts], runs,
            united(reads_of(noted[False], now), known, now),
            reads_of_client(markers, noted[True], now) if self.in_a_run else None,
        )  # fmt: skip

    def _rendered(
        self, request: Request, rendering: Rendering, numbers: Sequence[int],
        texts: list[str | None],
    ) -> Run | Refusal:  # fmt: skip
        """Render the placeholders ``numbers`` of a page into ``texts``, in a run of their own."""
        uses = rendering.holes.uses
        run = HoleRun(list(dict.fromkeys(uses[n] for n in numbers)))
        ran = self._run(request, run, rendering.database)
        if isinstance(ran, Refusal):
            return ran
        theirs, tokens = ran
        made = run.made()
        for n in numbers:
            texts[n] = made[uses[n]]
        if refusal := _shows_bait(theirs.recording, [texts[n] for n in numbers]):
            return refusal
        rendering.tags += theirs.tags
        for header in theirs.headers_read:
            rendering.note_read(header)
        return Run(numbers, tokens, theirs.finders, asked(theirs.recording))

    def _root(self, request: Request) -> str:
        """The control endpoint's mount, as browsers see it."""
        mounted = self.linked_mount(request.script_name).encode("latin-1", "replace")
        return quote(mounted + self.settings.mount.encode())

    def _misplaced(self, markers: Markers, response: Response) -> Refusal | None:
        """Why the browser could not fill a hole of this page."""
        theirs = [n for n, use in enumerate(markers.uses) if use.client]
        if not theirs:
            return None
        from .client_places import misplaced

        found = misplaced(response, markers.prefix + markers.number, theirs)
        if found is None:
            return None
        name, where = markers.uses[found].name, markers.where[found]
        return Refusal(
            MISPLACED,
            f"the hole {name!r} ({where}) has client=True, and stands where there is no element",
        )

    def _run(
        self, request: Request, run: HoleRun, reads: Any
    ) -> tuple[Rendering, list[Token]] | Refusal:
        rendering = Rendering(
            True, request.scheme, request.host, request.script_name,
            recording=Recording() if self.in_a_run else None,
        )  # fmt: skip
        rendering.database = reads
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
                fresh_context().run(_directly, request, rendering, run)
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


def _shows_bait(recording: Recording | None, texts: Iterable[str | None]) -> Refusal | None:
    """Why nothing is stored of a run of which these texts are: see `observed.unfit`."""
    if recording is None:
        return None
    body = _APART.join(text.encode("utf-8", "replace") for text in texts if text is not None)
    return unfit(recording, Response("200 OK", (), body))
