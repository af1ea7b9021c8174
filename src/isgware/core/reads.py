"""*Reads*: the cookies and session keys that a page's render read, and who may therefore get it.

The rule is P11: cookies and session keys that the page did not read do not matter. A visitor gets
the stored page if everything that its render read is absent for them, as it was in the clean room.
`judge` decides that. A visitor's session is opened only if its content matters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from ..recording import COOKIES, EVERYTHING, HEADERS, OPENED, SESSION
from .cache_key import counting_cookie_name
from .interned_strings import shared

#: Seconds for which a read still counts that later renders of the page did not repeat.
LASTS: Final = 86_400.0
#: More names of one kind count as all of them; a page keeps no more headers than this.
MAX_NAMES: Final = 64
#: What is noted as a header when the client's address is asked for.
ADDRESS: Final = "remote-addr"
_KINDS: Final = (SESSION, COOKIES, HEADERS, OPENED)


@dataclass(frozen=True, slots=True)
class Seen:
    """``where`` is the place of the first read in the app's code ("views.py:12", or empty); ``at``
    is when the page was last rendered with this read, in wall-clock seconds."""

    where: str
    at: float


Names = Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class Reads:
    """Names that were read, by kind; "*" stands for all names. ``opened`` are the cookies by which
    the framework finds a session. ``headers`` decide nothing; they are only reported."""

    session: Names = field(default_factory=dict)
    cookies: Names = field(default_factory=dict)
    headers: Names = field(default_factory=dict)
    opened: Names = field(default_factory=dict)

    @property
    def personal(self) -> bool:
        """Whether there may be visitors who must not get the page."""
        return bool(self.session or self.cookies)


NOTHING_READ: Final = Reads()


@dataclass(frozen=True, slots=True)
class Personal:
    """Why a visitor gets the app's own answer. ``kind`` is "session" or "cookies", for a key or a
    cookie that they have, or "unreadable"; ``where`` is the place that reads it."""

    kind: str
    name: str
    where: str

    @property
    def detail(self) -> str:
        """The token for ``Cache-Status``."""
        return "session-unreadable" if self.kind == "unreadable" else "cookie"

    @property
    def text(self) -> str:
        """The reason as a sentence."""
        if self.kind == "unreadable":
            what = "the session could not be opened, and the page reads keys of it"
        else:
            what = f"the page reads the {_TOLD[self.kind]} {self.name!r}"
        return f"{what} ({self.where})" if self.where else what


_TOLD: Final = {SESSION: "session key", COOKIES: "cookie", HEADERS: "header"}
#: The keys of a visitor's session; ``None`` if it could not be opened.
SessionKeys = Callable[[], Collection[str] | None]


def reads_of(noted: Mapping[tuple[str, str], str], now: float) -> Reads:
    """The reads to store with a page, of those recorded during a render (`Recording.reads`)."""
    if not noted:
        return NOTHING_READ
    kinds: dict[str, dict[str, Seen]] = {kind: {} for kind in _KINDS}
    for (kind, name), where in noted.items():
        kinds[kind][name] = Seen(where, now)
    return _bounded(kinds)


def united(new: Reads, old: Reads | None, now: float) -> Reads:
    """The reads of a render, and those of earlier renders that still count."""
    if old is None or old == NOTHING_READ:
        return new
    kinds: dict[str, dict[str, Seen]] = {}
    for kind in _KINDS:
        before: Names = getattr(old, kind)
        lasting = {name: seen for name, seen in before.items() if now - seen.at < LASTS}
        kinds[kind] = {**lasting, **getattr(new, kind)}
    return _bounded(kinds)


def joined_reads(page: Reads | None, holes: Reads) -> Reads:
    """The reads of a page and of its holes."""
    if page is None or not page.personal:
        return holes
    return Reads(**{kind: {**getattr(holes, kind), **getattr(page, kind)} for kind in _KINDS})


def _bounded(kinds: dict[str, dict[str, Seen]]) -> Reads:
    for kind, names in kinds.items():
        if len(names) > MAX_NAMES and kind == HEADERS:
            kinds[kind] = dict(list(names.items())[:MAX_NAMES])
        elif len(names) > MAX_NAMES:
            latest = max(seen.at for seen in names.values())
            kinds[kind] = {EVERYTHING: Seen(next(iter(names.values())).where, latest)}
    return Reads(**kinds)


#: Names of session keys, of cookies, and of cookies by which a session is found.
Shape = tuple[frozenset[str], ...]


def shape_of(reads: Reads) -> Shape:
    """The names that a page reads. The verdict about a visitor is the same for all pages that read
    the same names."""
    return _known(
        (frozenset(reads.session), frozenset(reads.cookies), frozenset(reads.opened)),
    )


@lru_cache(maxsize=1_024)
def _known(shape: Shape) -> Shape:
    """One object for equal shapes: many pages of a site read the same names."""
    return shape


def judge(
    reads: Reads, cookies: Collection[str], session_keys: SessionKeys, keyed: Iterable[str] = ()
) -> Personal | None:
    """Why a visitor who sends ``cookies`` may not get the page; ``None`` if they may. ``keyed``
    cookies are in the page's key: it was rendered with them."""
    if not cookies or not reads.personal:
        return None
    own = [name for name in cookies if name not in keyed]
    if found := _first(reads.cookies, own):
        return Personal(COOKIES, found, _where(reads.cookies, found))
    if not reads.session or not _first(reads.opened, own):
        return None
    keys = session_keys()
    if keys is None:
        where = next(iter(reads.session.values())).where
        return Personal("unreadable", "", where)
    if EVERYTHING in reads.session:
        found = min(keys, default=None)
    else:
        found = next((key for key in reads.session if key in keys), None)
    return None if found is None else Personal(SESSION, found, _where(reads.session, found))


def told(reads: Reads) -> Iterator[tuple[str, str]]:
    """Each name that was read, and where, for display."""
    for kind, word in _TOLD.items():
        names: Names = getattr(reads, kind)
        for name, seen in names.items():
            header, _, listed = name.partition("=") if kind == HEADERS else (name, "", "")
            what = f"every {word}" if name == EVERYTHING else f"the {word} {header!r}"
            if kind == HEADERS and name == ADDRESS:
                what = "the client's address"
            elif listed:
                what = f"the best match of {what} among {listed.replace(',', ', ')}"
            yield what, seen.where


def listed(
    page: Reads | None, holes: Reads = NOTHING_READ, client_holes: Reads | None = None
) -> tuple[str, ...]:
    """The reads of a page and its holes, and where each was read, for display. ``client_holes`` are
    the reads of holes that the browser fills."""
    read = list(told(page)) if page is not None else []
    read += [(f"in holes: {name}", at) for name, at in told(holes)]
    by_browser = told(client_holes) if client_holes is not None else ()
    read += [(f"in holes of browsers: {name}", at) for name, at in by_browser]
    return tuple(f"{name} ({at})" if at else name for name, at in read)


def _first(read: Names, cookies: Iterable[str]) -> str | None:
    """The first cookie that was read. If all cookies were read as a whole, those of analytics and
    consent tools count only if they were also read by name."""
    if not read:
        return None
    everything = EVERYTHING in read
    for name in cookies:
        if name in read or (everything and counting_cookie_name(name)):
            return name
    return None


def _where(read: Names, name: str) -> str:
    seen = read.get(name) or read.get(EVERYTHING)
    return seen.where if seen else ""


def reads_to_json(reads: Reads | None) -> Any:
    """The reads as JSON values, as part of a stored page."""
    if reads is None:
        return None
    return [
        [[name, seen.where, seen.at] for name, seen in getattr(reads, kind).items()]
        for kind in _KINDS
    ]


def reads_from_json(raw: Any) -> Reads | None:
    """The inverse of `reads_to_json`. Raises `TypeError` or `ValueError` for anything else."""
    if raw is None:
        return None
    if len(raw) != len(_KINDS):
        raise ValueError("not as many kinds of reads as there are")
    if not any(raw):
        return NOTHING_READ
    kinds = {}
    for kind, names in zip(_KINDS, raw, strict=True):
        kinds[kind] = {shared(name): _seen(where, at) for name, where, at in names}
    return Reads(**kinds)


def _seen(where: Any, at: Any) -> Seen:
    if type(at) not in (int, float):
        raise TypeError("not a time")
    return Seen(shared(where), float(at))
