"""What became of a render: a page, an answer that is not stored, a failure, or nothing known."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..backends.dependents import Depending
from ..core.storable import Response
from ..core.stored_page import Entry
from ..storage.process_cache import Page


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page was made and kept. ``learned``: headers it turned out to vary by; ``stored``: the
    store took it, too; ``found``: it was there already when it was to be made; ``elsewhere``: by
    another process, while this one waited."""

    page: Page
    learned: tuple[str, ...] = ()
    stored: bool = True
    found: bool = False
    elsewhere: bool = False


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
    """The app raised, or answered a server error. ``proven``: its route has worked before.
    ``personal``: the response must not be sent to several."""

    reason: str
    response: Response | None = None
    error: BaseException | None = None
    proven: bool = False
    personal: bool = False

    def __str__(self) -> str:
        """The reason; with the exception, where the framework made an answer of it, and the last
        line of code that it came from."""
        error = self.error
        if error is None:
            return self.reason
        said = f"{type(error).__name__}: {error}"
        text = self.reason if said in self.reason else f"{self.reason}; {said}"
        last = traceback.extract_tb(error.__traceback__)[-1:]
        return text + "".join(f" ({Path(at.filename).name}:{at.lineno}: {at.line})" for at in last)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another process is rendering, or has given its render up: nothing is known here."""


Outcome = Rendered | Refused | Failed | Elsewhere


@dataclass(frozen=True, slots=True)
class Made:
    """A page that may be stored. ``said``: the policy of the decorator that was met, if decorators
    are learned; ``default``: the ``ISG(revalidate=)`` that alone made the page storable.
    ``encodings`` of its body, once it is finished: they become part of the entry as it is kept.
    ``replaces``: the page that it was made in place of; ``version``: that as a version to keep;
    ``unchanged``: whether the two are the same.
    ``depending``: what of a database it depends on, as the store has to know; ``own_writes``: see
    `Dependencies.past_own_writes`."""

    entry: Entry
    learned: tuple[str, ...]
    declared: bool
    said: str
    default: str
    encodings: Mapping[str, bytes] = field(default_factory=dict)
    pieces: tuple[int, ...] = ()
    depending: Depending | None = None
    own_writes: tuple[int, int] = (0, 0)
    replaces: Entry | None = None
    version: bytes = b""
    unchanged: bool = False
